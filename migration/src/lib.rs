//! The schema of Takeoff's database, for SQLite and PostgreSQL.
//!
//! Migrations are applied in the order listed here and never changed once released.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod m20261123_000001_core;
mod m20261128_000003_content;
mod m20261128_000004_trees;
mod m20261128_000005_installation;
mod m20261128_000006_era;
mod m20261128_000007_cancellation;
mod m20261128_000007_counts;
mod m20261128_000009_roots;
mod m20261128_000010_sessions_of_tenants;
mod m20261128_000011_actors;
mod m20261128_000012_lists;

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_core::Migration),
            Box::new(m20261128_000003_content::Migration),
            Box::new(m20261128_000004_trees::Migration),
            Box::new(m20261128_000005_installation::Migration),
            Box::new(m20261128_000006_era::Migration),
            Box::new(m20261128_000007_counts::Migration),
            Box::new(m20261128_000007_cancellation::Migration),
            Box::new(m20261128_000009_roots::Migration),
            Box::new(m20261128_000010_sessions_of_tenants::Migration),
            Box::new(m20261128_000011_actors::Migration),
            Box::new(m20261128_000012_lists::Migration),
        ]
    }
}
