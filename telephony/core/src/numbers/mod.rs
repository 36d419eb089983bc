//! Telephone numbers as they are dialled in China, and what each called number is for.

mod emergency;
mod number;
mod plan;
mod trunk;

pub use emergency::Emergency;
pub use number::{AreaCode, Number, NumberError, NumberKind};
pub use plan::{Called, Entry, NumberPlan, PlanError, Route};
pub use trunk::{TrunkForm, TrunkRule};
