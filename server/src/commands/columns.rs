//! `--map FIELD=COLUMN`: how the columns of a table are called here.

use anyhow::{Context, Result, bail};

/// The pairs, each of a field that there is.
pub fn map(
    pairs: &[String],
    fields: impl Iterator<Item = &'static str>,
) -> Result<Vec<(String, String)>> {
    let fields: Vec<&str> = fields.collect();
    let read = |pair: &String| {
        let (field, column) = pair
            .split_once('=')
            .with_context(|| format!("--map {pair}: give FIELD=COLUMN, such as phone=电话"))?;
        if !fields.contains(&field) {
            bail!("--map {pair}: {field:?} is no field; there are {}", fields.join(", "));
        }
        Ok((field.to_owned(), column.to_owned()))
    };
    pairs.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_names_a_field_that_there_is() {
        let read = |pair: &str| map(&[pair.to_owned()], ["phone", "title"].into_iter());
        assert_eq!(read("phone=电话").unwrap(), [("phone".to_owned(), "电话".to_owned())]);
        assert!(format!("{:#}", read("fone=电话").unwrap_err()).contains("phone, title"));
        assert!(format!("{:#}", read("电话").unwrap_err()).contains("FIELD=COLUMN"));
    }
}
