//! Entries in a text with headings, such as a page or a Markdown file.
//!
//! A page with one heading or none is one entry; of a page with more, every heading that has text of its
//! own is one. What holds for all of them (source, days, unit) is said once, in the page's metadata; a
//! section says otherwise in lines at its beginning: `生效日期：2026-03-11`.

use super::columns::Column;
use std::collections::BTreeMap;

/// A text in its sections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Names and values that hold for all sections.
    pub metadata: Vec<(String, String)>,
    /// The page's own title.
    pub title: Option<String>,
    /// The sections in order; one without a heading can only be the first.
    pub sections: Vec<Section>,
}

/// A heading and the text below it, up to the next heading of any level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Line of the heading, from 1.
    pub line: u64,
    /// The heading's words; empty for text above the first.
    pub heading: String,
    /// The text, without the heading.
    pub text: String,
}

/// Texts by column, and the line at which they stand.
pub(super) struct Texts {
    pub(super) line: u64,
    pub(super) by_column: BTreeMap<Column, String>,
}

impl Document {
    /// What each entry consists of.
    pub(super) fn entries(&self) -> Vec<Texts> {
        let shared: BTreeMap<Column, String> = self
            .metadata
            .iter()
            .filter_map(|(name, value)| Some((Column::from_name(name)?, value.trim().to_owned())))
            .collect();
        let titled = shared.contains_key(&Column::Title);
        let headings = self.sections.iter().filter(|section| !section.heading.is_empty()).count();
        if titled || headings <= 1 {
            return vec![self.whole(shared)];
        }
        let of_sections = self.sections.iter().map(|section| {
            let (mut by_column, text) = fields(&section.text);
            for (column, value) in shared.iter().filter(|(column, _)| **column != Column::Id) {
                by_column.entry(*column).or_insert_with(|| value.clone());
            }
            by_column.entry(Column::Title).or_insert_with(|| section.heading.clone());
            by_column.insert(Column::Answer, text);
            Texts { line: section.line, by_column }
        });
        // A heading above others says what they are about, and text above the first what the page is.
        of_sections
            .filter(|texts| {
                !texts.by_column[&Column::Answer].is_empty()
                    && !texts.by_column[&Column::Title].is_empty()
            })
            .collect()
    }

    fn whole(&self, mut by_column: BTreeMap<Column, String>) -> Texts {
        let mut answer = Vec::new();
        for section in &self.sections {
            let (said, text) = fields(&section.text);
            for (column, value) in said {
                by_column.entry(column).or_insert(value);
            }
            let titled = by_column.get(&Column::Title);
            let is_title = titled.is_none_or(|title| *title == section.heading);
            if is_title && !section.heading.is_empty() {
                by_column.insert(Column::Title, section.heading.clone());
            } else if !section.heading.is_empty() {
                answer.push(section.heading.clone());
            }
            answer.push(text);
        }
        if let (None, Some(title)) = (by_column.get(&Column::Title), &self.title) {
            by_column.insert(Column::Title, title.clone());
        }
        answer.retain(|text| !text.is_empty());
        by_column.entry(Column::Answer).or_insert_with(|| answer.join("\n"));
        Texts { line: self.sections.first().map_or(1, |section| section.line), by_column }
    }
}

/// The lines `name: value` that a section begins with, and the rest.
fn fields(text: &str) -> (BTreeMap<Column, String>, String) {
    let mut by_column = BTreeMap::new();
    let mut rest = text.trim();
    while let Some((column, value, after)) = field(rest) {
        by_column.insert(column, value);
        rest = after.trim_start();
    }
    (by_column, rest.to_owned())
}

fn field(text: &str) -> Option<(Column, String, &str)> {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let (name, value) = line.split_once([':', '：'])?;
    let column =
        Column::from_name(name.trim_matches(|c: char| c.is_whitespace() || "*-_".contains(c)))?;
    let is_text = matches!(column, Column::Title | Column::Answer);
    (!is_text).then(|| {
        (column, value.trim_matches(|c: char| c.is_whitespace() || c == '*').to_owned(), after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(line: u64, heading: &str, text: &str) -> Section {
        Section { line, heading: heading.into(), text: text.into() }
    }

    #[test]
    fn every_heading_with_text_is_an_entry_and_inherits_what_holds_for_all() {
        let page = Document {
            metadata: vec![
                ("来源".into(), "市医保局".into()),
                ("生效日期".into(), "2025-01-01".into()),
            ],
            title: Some("医保问答".into()),
            sections: vec![
                section(1, "", "本页由市医保局编写。"),
                section(3, "参保", ""),
                section(4, "怎样参保", "**生效日期：** 2026-01-01\n带身份证到街道办理。"),
                section(9, "怎样停保", "在网上办理。"),
            ],
        };
        let entries = page.entries();
        assert_eq!(entries.len(), 2);
        let text = |at: usize, column| entries[at].by_column[&column].as_str();
        assert_eq!((entries[0].line, text(0, Column::Title)), (4, "怎样参保"));
        assert_eq!(text(0, Column::Answer), "带身份证到街道办理。");
        assert_eq!(
            (text(0, Column::ValidFrom), text(1, Column::ValidFrom)),
            ("2026-01-01", "2025-01-01")
        );
        assert_eq!(text(1, Column::Source), "市医保局");
    }

    #[test]
    fn a_page_with_one_heading_is_one_entry() {
        let page = Document {
            metadata: vec![("source".into(), "条例".into())],
            title: Some("网页".into()),
            sections: vec![section(1, "怎样办", "先申请。")],
        };
        let entries = page.entries();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].by_column[&Column::Title], "怎样办");
        assert_eq!(entries[0].by_column[&Column::Answer], "先申请。");
    }
}
