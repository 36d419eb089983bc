//! Category by a linear model on hashed character 1–3-grams, trained here, used here.

mod csv_rows;
mod features;
mod model;
mod report;
mod train;

pub use csv_rows::{TrainOptions, train_csv};
pub use model::{LinearModel, ModelError, Prediction, Ranked, Span};
pub use report::{Bin, Calibration, ClassReport, Report};
pub use train::{TrainError, train};
