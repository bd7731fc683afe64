//! What a hostile or clumsy tenant does, and that it costs only that tenant.

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
