//! Two columns of text side by side, measured in terminal cells, or one below the other where the
//! terminal is narrow. All text passes `harmless` here, so that no message drives a terminal.

use std::io::{IsTerminal, stdout};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::cli::terminal::{Style, harmless, styled};

/// A column.
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    /// Its lines; long ones are wrapped.
    pub lines: Vec<Line>,
}

/// A line of a column.
pub struct Line {
    mark: Option<Mark>,
    text: String,
    style: Option<Style>,
    indent: usize,
}

/// Two words before a line, each as wide as the widest of its kind.
struct Mark {
    verdict: &'static str,
    style: Style,
    cause: &'static str,
}

impl Line {
    /// Text as it is.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { mark: None, text: text.into(), style: None, indent: 0 }
    }

    /// Text in a style.
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self { style: Some(style), ..Self::plain(text) }
    }

    /// Text after a verdict in a style and its cause. It is cut to the column, not wrapped.
    pub fn marked(verdict: &'static str, style: Style, cause: &'static str, text: impl Into<String>) -> Self {
        Self { mark: Some(Mark { verdict, style, cause }), ..Self::plain(text) }
    }

    /// The same, moved to the right.
    pub fn indented(mut self, steps: usize) -> Self {
        self.indent = steps.min(MAX_INDENT) * 2;
        self
    }

    /// The same, where the texts of marked lines begin.
    pub fn below_marks(mut self) -> Self {
        self.indent = MARK_WIDTH;
        self
    }

    /// The rows it takes in a column: their text with its style, and their width in cells.
    fn rows(&self, width: usize) -> Vec<(String, usize)> {
        let text = harmless(&self.text).replace('\t', "    ").replace('\n', " ");
        if let Some(Mark { verdict, style, cause }) = &self.mark {
            let text = cut(&text, width.saturating_sub(MARK_WIDTH));
            let verdict = styled(&format!("{verdict:<VERDICT_WIDTH$}"), *style, &stdout());
            let cause = styled(&format!("{cause:<CAUSE_WIDTH$}"), Style::Dim, &stdout());
            return vec![(format!("{verdict} {cause} {text}"), MARK_WIDTH + text.width())];
        }
        let rows = wrap(&text, width.saturating_sub(self.indent).max(1)).into_iter().map(|row| {
            let row = format!("{}{row}", " ".repeat(self.indent));
            let cells = row.width();
            (self.style.map_or(row.clone(), |style| styled(&row, style, &stdout())), cells)
        });
        rows.collect()
    }
}

impl Column {
    fn rows(&self, width: usize) -> Vec<(String, usize)> {
        let title = (styled(self.title, Style::Strong, &stdout()), self.title.width());
        let lines = self.lines.iter().flat_map(|line| line.rows(width));
        [title].into_iter().chain(lines).collect()
    }
}

/// Draws two columns into `width` cells.
pub fn draw(left: &Column, right: &Column, width: usize) -> String {
    if width < MIN_SIDE_BY_SIDE {
        let rows = left.rows(width).into_iter().chain([(String::new(), 0)]).chain(right.rows(width));
        return rows.map(|(row, _)| row + "\n").collect();
    }
    let half = (width - GUTTER.width()) / 2;
    let (left, right) = (left.rows(half), right.rows(half));
    let empty = (String::new(), 0);
    let row = |at: usize| {
        let ((left, cells), (right, _)) = (left.get(at).unwrap_or(&empty), right.get(at).unwrap_or(&empty));
        let line = format!("{left}{}{GUTTER}{right}", " ".repeat(half.saturating_sub(*cells)));
        line.trim_end().to_owned() + "\n"
    };
    (0..left.len().max(right.len())).map(row).collect()
}

/// The terminal's width in cells; where there is none, as `COLUMNS` says, or room for two columns.
pub fn terminal_width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured = || {
        let size = stdout().is_terminal().then(|| rustix::termios::tcgetwinsize(stdout()).ok()).flatten();
        size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
    };
    told.or_else(measured).unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH)
}

/// Rows of at most `width` cells, broken at blanks, and inside words only where they are longer.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut cells = 0;
    for word in text.split_inclusive(' ') {
        if cells > 0 && cells + word.trim_end().width() > width {
            rows.push(String::new());
            cells = 0;
        }
        for letter in word.chars() {
            let letter_cells = letter.width().unwrap_or(0);
            if cells + letter_cells > width && letter != ' ' {
                rows.push(String::new());
                cells = 0;
            }
            if let Some(row) = rows.last_mut() {
                row.push(letter);
                cells += letter_cells;
            }
        }
    }
    rows.into_iter().map(|row| row.trim_end().to_owned()).collect()
}

/// At most `width` cells, with an ellipsis where something is left out.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cells = 0;
    let fits = |letter: &char| {
        cells += letter.width().unwrap_or(0);
        cells < width
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}\u{2026}", kept.trim_end())
}

/// Cells of `sealed`.
const VERDICT_WIDTH: usize = 6;
/// Cells of `structure`.
const CAUSE_WIDTH: usize = 9;
/// Cells before the text of a marked line.
const MARK_WIDTH: usize = VERDICT_WIDTH + CAUSE_WIDTH + 2;
const GUTTER: &str = " \u{2502} ";
/// Narrower terminals get one column below the other.
const MIN_SIDE_BY_SIDE: usize = 100;
const DEFAULT_WIDTH: usize = 120;
/// Fewer cells hold no mark and a word.
const MIN_WIDTH: usize = 20;
/// Wider lines are hard to read across.
const MAX_WIDTH: usize = 200;
/// Steps of indentation, two cells each.
const MAX_INDENT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_stand_side_by_side_where_there_is_room() {
        let left = Column { title: "LEFT", lines: vec![Line::plain("\u{65e5}\u{672c}")] };
        let right = Column {
            title: "RIGHT",
            lines: vec![Line::marked("sealed", Style::Bad, "policy", "x".repeat(99))],
        };
        let wide = draw(&left, &right, 103);
        let rows: Vec<&str> = wide.lines().collect();
        assert_eq!(rows[0], format!("LEFT{} \u{2502} RIGHT", " ".repeat(46)));
        assert!(
            rows[1].starts_with(&format!("\u{65e5}\u{672c}{} \u{2502} sealed policy    xxx", " ".repeat(46)))
        );
        assert!(rows[1].ends_with('\u{2026}') && rows[1].width() == 103, "{}", rows[1].width());
        let narrow = draw(&left, &right, 40);
        assert!(narrow.starts_with("LEFT\n\u{65e5}\u{672c}\n\nRIGHT\nsealed policy    xxx"), "{narrow}");
    }

    #[test]
    fn rows_break_at_blanks() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("", 4), [""]);
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide(text in "\\PC{0,80}", width in 2_usize..40) {
            for line in [Line::plain(text.clone()), Line::plain(text.clone()).indented(0)] {
                for (row, cells) in line.rows(width) {
                    prop_assert!(cells <= width, "{row:?} has {cells} of {width}");
                }
            }
            prop_assert!(cut(&text, width).width() <= width);
        }
    }
}
