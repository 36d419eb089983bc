//! The certificate that telephones and browsers are shown.

use std::path::Path;
use x509_parser::pem::Pem;

/// The end of the first certificate's life, in Unix seconds.
pub fn valid_until(file: &Path) -> Result<i64, String> {
    let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let unreadable = || format!("{} has no certificate that can be read", file.display());
    let pem = Pem::iter_from_buffer(&text).next().and_then(Result::ok).ok_or_else(unreadable)?;
    let certificate = pem.parse_x509().map_err(|_| unreadable())?;
    Ok(certificate.validity().not_after.timestamp())
}
