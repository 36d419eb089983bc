//! A city's CSV file to a model and its report.

use super::model::LinearModel;
use super::report::Report;
use super::train::{TrainError, content_hash, train};
use csv::ByteRecord;
use std::io::Read;

/// Without a split column one text in this many is for testing.
const TEST_EVERY: u64 = 10;

/// Which columns to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainOptions {
    /// Header of the column with what the citizen said.
    pub text_column: String,
    /// Header of the column with the class.
    pub label_column: String,
    /// Header of the column that says `train` or `test`; without one, a tenth is for testing,
    /// chosen by a hash of the text, so that it does not change from run to run.
    pub split_column: Option<String>,
    /// Order of the passes: the same seed gives the same model.
    pub seed: u64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            text_column: "text".into(),
            label_column: "label".into(),
            split_column: None,
            seed: 12_345,
        }
    }
}

/// Trains on a CSV file's training rows and reports on its test rows.
///
/// # Errors
/// [`TrainError`] names the line and the remedy; nothing is learnt from half a file.
pub fn train_csv(
    reader: impl Read,
    options: &TrainOptions,
) -> Result<(LinearModel, Report), TrainError> {
    let (train_rows, test_rows) = read_rows(reader, options)?;
    let rows = train_rows.iter().map(|(text, label)| (text, label));
    let model = train(rows, options.seed)?;
    if test_rows.is_empty() {
        return Err(TrainError::NoTestRows);
    }
    let report = Report::of(&model, train_rows.len(), &test_rows);
    Ok((model, report))
}

type Rows = Vec<(String, String)>;

fn read_rows(reader: impl Read, options: &TrainOptions) -> Result<(Rows, Rows), TrainError> {
    let mut csv = csv::ReaderBuilder::new().from_reader(reader);
    let header = csv.byte_headers()?.clone();
    let names: Vec<&str> = header.iter().map(|name| utf8(name, 1)).collect::<Result<_, _>>()?;
    let column = |wanted: &str| {
        let same = |name: &&str| name.trim_start_matches('\u{feff}').trim() == wanted;
        names
            .iter()
            .position(same)
            .ok_or_else(|| TrainError::Column { name: wanted.to_owned(), found: names.join(", ") })
    };
    let text_at = column(&options.text_column)?;
    let label_at = column(&options.label_column)?;
    let split_at = options.split_column.as_deref().map(column).transpose()?;
    let (mut train_rows, mut test_rows) = (Rows::new(), Rows::new());
    let mut record = ByteRecord::new();
    while csv.read_byte_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        let field = |at: usize, column: &str| -> Result<String, TrainError> {
            let text = utf8(&record[at], line)?.trim();
            match text {
                "" => Err(TrainError::Empty { line, column: column.to_owned() }),
                text => Ok(text.to_owned()),
            }
        };
        let text = field(text_at, &options.text_column)?;
        let label = field(label_at, &options.label_column)?;
        let is_test = match (split_at, &options.split_column) {
            (Some(at), Some(column)) => match field(at, column)?.as_str() {
                "train" => false,
                "test" => true,
                other => {
                    let value = other.chars().take(40).collect();
                    return Err(TrainError::Split { line, value });
                }
            },
            _ => content_hash(&text).is_multiple_of(TEST_EVERY),
        };
        if is_test { &mut test_rows } else { &mut train_rows }.push((text, label));
    }
    Ok((train_rows, test_rows))
}

fn utf8(bytes: &[u8], line: u64) -> Result<&str, TrainError> {
    std::str::from_utf8(bytes).map_err(|_| TrainError::Encoding {
        line,
        hint: if looks_like_gb18030(bytes) {
            "; it looks like GB18030 (GBK): convert it with `iconv -f GB18030 -t UTF-8`, or save it \
             as \"CSV UTF-8\""
        } else {
            ": save the file as \"CSV UTF-8\""
        },
    })
}

/// GB18030's one-, two- and four-byte forms throughout.
fn looks_like_gb18030(mut bytes: &[u8]) -> bool {
    while let [first, rest @ ..] = bytes {
        bytes = match (first, rest) {
            (0..=0x7f, _) => rest,
            (0x81..=0xfe, [0x40..=0x7e | 0x80..=0xfe, rest @ ..]) => rest,
            (0x81..=0xfe, [0x30..=0x39, 0x81..=0xfe, 0x30..=0x39, rest @ ..]) => rest,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8], split: Option<&str>) -> String {
        let options = TrainOptions { split_column: split.map(Into::into), ..Default::default() };
        train_csv(bytes, &options).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_column_is_answered_with_the_columns_found() {
        let message = error("内容,类别\n停水,水务\n".as_bytes(), None);
        assert!(message.contains("\"text\"") && message.contains("内容, 类别"), "{message}");
    }

    #[test]
    fn an_empty_label_names_its_line() {
        let message = error("text,label\n停水,水务\n欠薪, \n".as_bytes(), None);
        assert!(message.starts_with("line 3: column \"label\" is empty"), "{message}");
    }

    #[test]
    fn gb18030_is_recognised_and_the_remedy_named() {
        let mut bytes = b"text,label\n".to_vec();
        bytes.extend_from_slice(&[0xb9, 0xa4, 0xd7, 0xca, b',', b'a', b'\n']);
        let message = error(&bytes, None);
        assert!(message.starts_with("line 2: not UTF-8") && message.contains("iconv -f GB18030"));
    }

    #[test]
    fn one_class_a_strange_split_and_no_test_rows_are_refused() {
        let one = error("text,label\na1,x\nb2,x\n".as_bytes(), None);
        assert!(one.contains("at least two"), "{one}");
        let split = error("text,label,split\na,x,dev\n".as_bytes(), Some("split"));
        assert!(split.starts_with("line 2: split \"dev\""), "{split}");
        let none = error("text,label,split\na,x,train\nb,y,train\n".as_bytes(), Some("split"));
        assert!(none.contains("no rows for testing"), "{none}");
    }

    #[test]
    fn a_byte_order_mark_and_a_quoted_header_are_read() {
        let csv =
            "\u{feff}\"text\",label,split\n停水停水,水,train\n欠薪欠薪,工,train\n停水了,水,test\n";
        let options = TrainOptions { split_column: Some("split".into()), ..Default::default() };
        let (model, report) = train_csv(csv.as_bytes(), &options).unwrap();
        assert_eq!((model.labels().len(), report.rows_test, report.accuracy), (2, 1, 1.0));
    }
}
