//! What a hostile or clumsy tenant does, and that it costs only that tenant.

mod hints;
mod journeys;
