//! Hostile or clumsy tenants, whose requests cost themselves alone.

mod amplification;
mod answers;
mod bursts;
mod crashes;
mod door;
mod filters;
mod hints;
mod hosts;
mod journeys;
mod price;
mod slots;
mod trees;
mod unreadable;
