//! Telephone numbers as they are dialled in China.

mod emergency;
mod number;
mod trunk;

pub use emergency::Emergency;
pub use number::{AreaCode, Number, NumberError, NumberKind};
pub use trunk::{TrunkForm, TrunkRule};
