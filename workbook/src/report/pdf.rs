//! A report on A4 pages.

use super::{Cell, Report, Section};
use crate::write::WriteError;
use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point};
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::text::{Font, TextDirection};
use std::path::PathBuf;

/// Lengths in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 46.0;
const TITLE: f32 = 16.0;
const HEAD: f32 = 12.0;
const TEXT: f32 = 9.0;
const LINE: f32 = 14.0;
const BETWEEN: f32 = 10.0;
/// Widths in parts of the font's size: of an ideograph, and of everything narrower as wide as a figure.
const WIDE: f32 = 1.0;
const NARROW: f32 = 0.58;

/// A typeface with Chinese characters; the operating system's, which none is as large as.
pub struct ReportFont(Font);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum FontError {
    /// None of the files is there.
    #[error(
        "a PDF needs a font with Chinese characters: apt-get install fonts-noto-cjk, or name a file as [reports] font"
    )]
    Missing,
    /// The file is no font.
    #[error("{} is no font that a PDF can be written with", .0.display())]
    Unreadable(PathBuf),
}

impl ReportFont {
    /// Where Debian's packages have them.
    pub fn usual() -> Vec<PathBuf> {
        [
            "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
            "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
            "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
            "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
        ]
        .map(PathBuf::from)
        .into()
    }

    /// The first of the files that is there. Reads it: not for a thread that must not block.
    pub fn find(files: &[PathBuf]) -> Result<Self, FontError> {
        let found = files.iter().find_map(|file| Some((file, std::fs::read(file).ok()?)));
        let (file, bytes) = found.ok_or(FontError::Missing)?;
        // Noto's collection has Japanese first and simplified Chinese third.
        let face = if file.to_string_lossy().contains("CJK-") { 2 } else { 0 };
        let font = Font::new(bytes.into(), face);
        font.map(Self).ok_or_else(|| FontError::Unreadable(file.clone()))
    }
}

pub(super) fn write(report: &Report, font: &ReportFont) -> Result<Vec<u8>, WriteError> {
    let mut document = Document::new();
    let lines = lines(report);
    let mut rest = lines.as_slice();
    let (mut number, mut failed) = (1, false);
    while !rest.is_empty() {
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(WriteError::Pdf)?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        let mut pen = Pen { surface: &mut surface, font: &font.0 };
        let mut y = MARGIN;
        let mut taken = 0;
        for line in rest {
            // A head does not stay behind alone.
            let needs = line.height + if line.with_next { 2.0 * LINE } else { 0.0 };
            if taken > 0 && y + needs > HEIGHT - MARGIN {
                break;
            }
            pen.line(line, y);
            y += line.height;
            taken += 1;
        }
        failed |= taken == 0;
        pen.text(WIDTH / 2.0 - 4.0, HEIGHT - MARGIN / 2.0, TEXT, &number.to_string());
        surface.finish();
        page.finish();
        rest = &rest[taken.max(1)..];
        number += 1;
    }
    debug_assert!(!failed, "every page takes a line");
    document.finish().map_err(|_| WriteError::Pdf)
}

/// What is written beside each other.
#[derive(Default)]
struct Line {
    height: f32,
    size: f32,
    /// Where from the left, and the words; numbers end there instead.
    words: Vec<(f32, bool, String)>,
    rule: bool,
    with_next: bool,
}

fn lines(report: &Report) -> Vec<Line> {
    let plain = |text: &str, size: f32| Line {
        height: size * 1.6,
        size,
        words: vec![(MARGIN, false, text.to_owned())],
        ..Line::default()
    };
    let mut lines = vec![Line { with_next: true, ..plain(&report.title, TITLE) }];
    for note in &report.notes {
        lines.extend(folded(note, TEXT, WIDTH - 2.0 * MARGIN).iter().map(|part| plain(part, TEXT)));
    }
    for section in &report.sections {
        lines.push(Line { height: BETWEEN, ..Line::default() });
        lines.push(Line { with_next: true, ..plain(&section.title, HEAD) });
        table(section, &mut lines);
    }
    lines
}

fn table(section: &Section, lines: &mut Vec<Line>) {
    let columns = columns(section);
    let head: Vec<(String, bool)> = section
        .header
        .iter()
        .enumerate()
        .map(|(at, name)| (name.clone(), section.rows.iter().any(|row| is_number(row.get(at)))))
        .collect();
    row(&head, &columns, true, lines);
    for cells in &section.rows {
        let cells: Vec<_> =
            cells.iter().map(|cell| (cell.shown(), is_number(Some(cell)))).collect();
        row(&cells, &columns, false, lines);
    }
}

fn is_number(cell: Option<&Cell>) -> bool {
    !matches!(cell, None | Some(Cell::Text(_)))
}

/// One row of a table: as many lines as its longest cell needs.
fn row(cells: &[(String, bool)], columns: &[(f32, f32)], is_head: bool, lines: &mut Vec<Line>) {
    let parts: Vec<Vec<String>> = cells
        .iter()
        .zip(columns)
        .map(|((text, _), (_, width))| folded(text, TEXT, *width))
        .collect();
    let deep = parts.iter().map(Vec::len).max().unwrap_or_default().max(1);
    for depth in 0..deep {
        let words =
            parts.iter().zip(cells).zip(columns).filter_map(|((parts, (_, ends)), (x, width))| {
                let text = parts.get(depth)?.clone();
                Some((if *ends { x + width } else { *x }, *ends, text))
            });
        lines.push(Line {
            height: LINE,
            size: TEXT,
            words: words.collect(),
            rule: depth + 1 == deep,
            with_next: is_head || depth + 1 < deep,
        });
    }
}

/// Left edge and width of each column: as wide as its words, or less where the page is too narrow.
fn columns(section: &Section) -> Vec<(f32, f32)> {
    let widest = |at: usize| {
        let cells = section
            .rows
            .iter()
            .filter_map(|row| row.get(at))
            .map(|cell| width(&cell.shown(), TEXT));
        cells.fold(width(&section.header[at], TEXT), f32::max)
    };
    let wanted: Vec<f32> = (0..section.header.len()).map(widest).collect();
    let room = WIDTH - 2.0 * MARGIN - BETWEEN * (wanted.len().max(1) - 1) as f32;
    // Only what is wider than its share gives way.
    let mut most = room;
    let total = |most: f32| wanted.iter().map(|width| width.min(most)).sum::<f32>();
    while total(most) > room && most > TEXT {
        most -= TEXT / 2.0;
    }
    let mut x = MARGIN;
    wanted
        .iter()
        .map(|width| {
            let column = (x, width.min(most));
            x += column.1 + BETWEEN;
            column
        })
        .collect()
}

fn width(text: &str, size: f32) -> f32 {
    text.chars().map(|char| if char.is_ascii() { NARROW } else { WIDE }).sum::<f32>() * size
}

/// The text in lines that are not wider.
fn folded(text: &str, size: f32, most: f32) -> Vec<String> {
    let mut lines = vec![String::new()];
    for char in text.chars().filter(|char| !char.is_control()) {
        let line = lines.last_mut().expect("there is one from the beginning");
        if !line.is_empty()
            && width(line, size) + width(char.encode_utf8(&mut [0; 4]), size) > most + 0.01
        {
            lines.push(char.to_string());
        } else {
            line.push(char);
        }
    }
    lines
}

struct Pen<'a, 'b> {
    surface: &'a mut Surface<'b>,
    font: &'a Font,
}

impl Pen<'_, '_> {
    fn line(&mut self, line: &Line, y: f32) {
        let base = y + line.height * 0.72;
        for (x, ends, text) in &line.words {
            let x = if *ends { x - width(text, line.size) } else { *x };
            self.text(x, base, line.size, text);
        }
        if line.rule {
            self.rule(y + line.height);
        }
    }

    fn text(&mut self, x: f32, y: f32, size: f32, text: &str) {
        self.surface.set_stroke(None);
        self.surface.set_fill(Some(Fill {
            paint: rgb::Color::new(27, 39, 51).into(),
            opacity: NormalizedF32::ONE,
            rule: Default::default(),
        }));
        let direction = TextDirection::LeftToRight;
        self.surface.draw_text(
            Point::from_xy(x, y),
            self.font.clone(),
            size,
            text,
            false,
            direction,
        );
    }

    fn rule(&mut self, y: f32) {
        let mut path = PathBuilder::new();
        path.move_to(MARGIN, y);
        path.line_to(WIDTH - MARGIN, y);
        let Some(path) = path.finish() else { return };
        self.surface.set_fill(None);
        self.surface.set_stroke(Some(Stroke {
            paint: rgb::Color::new(213, 220, 227).into(),
            width: 0.5,
            ..Default::default()
        }));
        self.surface.draw_path(&path);
    }
}
