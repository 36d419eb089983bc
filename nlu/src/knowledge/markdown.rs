//! Markdown files with front matter or headings.

use super::document::{Document, Section};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// Reads a Markdown text. Front matter is `name: value` lines between two lines `---`; a list in it may
/// be written `[a, b]`.
pub fn markdown(text: &str) -> Document {
    let options = Options::ENABLE_YAML_STYLE_METADATA_BLOCKS | Options::ENABLE_TABLES;
    let mut document = Document::default();
    let mut metadata_ends = 0;
    let mut headings: Vec<(Range<usize>, String)> = Vec::new();
    let (mut in_metadata, mut in_heading) = (false, false);
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::MetadataBlock(_)) => (in_metadata, metadata_ends) = (true, range.end),
            Event::End(TagEnd::MetadataBlock(_)) => in_metadata = false,
            Event::Start(Tag::Heading { level, .. }) => {
                in_heading = true;
                if level == HeadingLevel::H1 && headings.is_empty() {
                    document.title = Some(String::new());
                }
                headings.push((range, String::new()));
            }
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Text(words) | Event::Code(words) => {
                if in_metadata {
                    document.metadata.extend(words.lines().filter_map(pair));
                } else if in_heading && let Some((_, heading)) = headings.last_mut() {
                    heading.push_str(&words);
                }
            }
            _ => {}
        }
    }
    if document.title.is_some() {
        document.title = headings.first().map(|(_, heading)| heading.trim().to_owned());
    }
    document.sections = sections(text, metadata_ends, &headings);
    document
}

fn sections(text: &str, from: usize, headings: &[(Range<usize>, String)]) -> Vec<Section> {
    let first = headings.first().map_or(text.len(), |(range, _)| range.start);
    let above = Section {
        line: line(text, from),
        heading: String::new(),
        text: trimmed(text, from..first),
    };
    let ends = headings.iter().skip(1).map(|(range, _)| range.start).chain([text.len()]);
    let below = headings.iter().zip(ends).map(|((range, heading), end)| Section {
        line: line(text, range.start),
        heading: heading.trim().to_owned(),
        text: trimmed(text, range.end..end),
    });
    let above = Some(above).filter(|section| !section.text.is_empty());
    above.into_iter().chain(below).collect()
}

fn trimmed(text: &str, range: Range<usize>) -> String {
    text[range].trim().to_owned()
}

fn line(text: &str, at: usize) -> u64 {
    text[..at].bytes().filter(|byte| *byte == b'\n').count() as u64 + 1
}

fn pair(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once([':', '：'])?;
    let value = value.trim();
    let inside = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let value = inside.map_or(value.to_owned(), |inside| inside.replace([',', '，', '、'], "|"));
    let value = value.trim_matches(['"', '\'']);
    Some((name.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_holds_for_the_page_and_headings_part_it() {
        let page = markdown(
            "---\nsource: 市人社局\ntags: [社保, 补办]\n---\n\n# 社保卡\n\n## 怎样补办\n\n带身份证。\n\n```\n# 不是标题\n```\n\n## 要钱吗\n不要钱。\n",
        );
        let tag =
            |name: &str| page.metadata.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert_eq!((tag("source"), tag("tags")), ("市人社局".into(), "社保| 补办".into()));
        let headings: Vec<_> =
            page.sections.iter().map(|section| (section.line, section.heading.as_str())).collect();
        assert_eq!(headings, [(6, "社保卡"), (8, "怎样补办"), (16, "要钱吗")]);
        assert!(page.sections[1].text.contains("# 不是标题"));
        assert_eq!(page.sections[2].text, "不要钱。");
        assert_eq!(page.title.as_deref(), Some("社保卡"));
    }
}
