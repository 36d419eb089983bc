//! A mirror: one address under which every URL of the manifest can be found.

use std::fmt;
use std::str::FromStr;

/// The base address of a mirror that a closed network's administrator runs. It holds each file
/// under its host's name and path: `https://github.com/k2-fsa/x` is `BASE/github.com/k2-fsa/x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror(String);

impl Mirror {
    /// Where the mirror has what lies at `url`.
    pub fn of(&self, url: &str) -> String {
        let host_and_path = url.split_once("://").map_or(url, |(_, rest)| rest);
        format!("{}/{host_and_path}", self.0)
    }
}

impl FromStr for Mirror {
    type Err = String;

    fn from_str(base: &str) -> Result<Self, Self::Err> {
        let host = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(format!(
                "{base:?} is not an address such as http://mirror.example.gov.cn/models"
            ));
        }
        Ok(Self(base.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_path_are_kept_below_the_base() {
        let mirror: Mirror = "http://10.0.0.5:8000/models/".parse().expect("an address");
        assert_eq!(
            mirror.of("https://github.com/k2-fsa/a.tar.bz2"),
            "http://10.0.0.5:8000/models/github.com/k2-fsa/a.tar.bz2"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for base in ["mirror.example", "ftp://mirror.example", "https://", "http:///x"] {
            assert!(base.parse::<Mirror>().is_err(), "{base}");
        }
    }
}
