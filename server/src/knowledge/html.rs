//! The title, the metadata and the headings of an HTML page.

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use qingting_nlu::knowledge::{Document, Section};
use std::cell::RefCell;

/// Elements that begin a new line.
const BLOCKS: [&str; 14] = [
    "p",
    "div",
    "li",
    "br",
    "tr",
    "table",
    "ul",
    "ol",
    "section",
    "article",
    "dd",
    "dt",
    "blockquote",
    "pre",
];
/// Elements whose text is nobody's answer.
const HIDDEN: [&str; 7] = ["script", "style", "noscript", "nav", "header", "footer", "template"];

/// Reads a page.
pub fn document(html: &str) -> Document {
    let page = Tokenizer::new(Page::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    // A page asks for nothing but to go on.
    let _ = page.feed(&input);
    page.end();
    page.sink.0.into_inner().finished()
}

#[derive(Default)]
struct Page(RefCell<State>);

#[derive(Default)]
struct State {
    document: Document,
    now: Section,
    in_title: bool,
    in_heading: bool,
    hidden: usize,
}

impl TokenSink for Page {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => return state.tag(&tag, line),
            Token::CharacterTokens(text) => state.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn tag(&mut self, tag: &Tag, line: u64) -> TokenSinkResult<()> {
        let name = &*tag.name;
        let begins = tag.kind == TagKind::StartTag;
        if HIDDEN.contains(&name) && !tag.self_closing {
            self.hidden = if begins { self.hidden + 1 } else { self.hidden.saturating_sub(1) };
        }
        match name {
            "title" => self.in_title = begins,
            "meta" if begins => self.metadata(tag),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.in_heading = begins;
                if begins {
                    self.section_ends();
                    self.now.line = line;
                }
            }
            name if BLOCKS.contains(&name) => self.text("\n"),
            _ => {}
        }
        // What these hold is no markup (HTML Standard, 13.2.6.2 and 13.2.6.4.4).
        match name {
            "script" if begins => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "noscript" if begins => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" if begins => TokenSinkResult::RawData(RawKind::Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }

    fn metadata(&mut self, tag: &Tag) {
        let attribute = |name: &str| {
            let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name);
            found.map(|attribute| attribute.value.to_string())
        };
        if let (Some(name), Some(content)) = (attribute("name"), attribute("content")) {
            self.document.metadata.push((name, content));
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            self.document.title.get_or_insert_default().push_str(text);
        } else if self.in_heading {
            self.now.heading.push_str(text);
        } else if self.hidden == 0 {
            self.now.text.push_str(text);
        }
    }

    fn section_ends(&mut self) {
        let section = std::mem::take(&mut self.now);
        let (heading, text) = (one_line(&section.heading), lines(&section.text));
        if !heading.is_empty() || !text.is_empty() {
            self.document.sections.push(Section { line: section.line.max(1), heading, text });
        }
    }

    fn finished(mut self) -> Document {
        self.section_ends();
        self.document.title = self.document.title.map(|title| one_line(&title));
        // `title` is the page's, and no entry's, unless it is all there is.
        self.document
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lines(text: &str) -> String {
    text.lines().map(one_line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_part_a_page_and_scripts_are_no_answers() {
        let page = document(
            "<html><head><title>医保 &amp; 社保</title><meta name=\"source\" content=\"市医保局\">\n\
             <style>h2 { color: red }</style><script>if (1 < 2) { write('<h2>不是</h2>') }</script></head>\n\
             <body><nav>首页 | 办事</nav><h1>问答</h1>\n<h2>怎样<b>参保</b>？</h2><p>带身份证<br>到街道。</p>\n\
             <h2>怎样停保</h2><ul><li>网上办</li><li>窗口办</li></ul><footer>版权</footer></body></html>",
        );
        assert_eq!(page.title.as_deref(), Some("医保 & 社保"));
        assert_eq!(page.metadata, [("source".to_owned(), "市医保局".to_owned())]);
        let sections: Vec<_> =
            page.sections.iter().map(|s| (s.heading.as_str(), s.text.as_str())).collect();
        assert_eq!(
            sections,
            [("问答", ""), ("怎样参保？", "带身份证\n到街道。"), ("怎样停保", "网上办\n窗口办")]
        );
        assert!(page.sections[1].line > page.sections[0].line);
    }

    #[test]
    fn broken_pages_are_read_as_far_as_they_go() {
        assert_eq!(document("").sections, []);
        assert_eq!(document("<h2>问<p>答</h2><p>答案").sections.len(), 1);
        assert_eq!(document("只有文字").sections[0].text, "只有文字");
    }
}
