//! Tables for people: a heading, columns as wide as they must be, and fewer of them where there is no room.
//!
//! ```text
//! there is room                 there isn't
//!    MIX       K+M  A MONTH        K+M  A MONTH
//! 1  b2-eu r2  1+1    12.00     1  1+1    12.00
//!                                  b2-eu r2
//! ```

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::output::broken;

/// Before what stands below a row.
const INDENT: &str = "   ";

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    heading: &'static str,
    right: bool,
    /// The higher, the sooner it is left out; 0 stays.
    spare: u8,
    /// Goes below the row where there is no room.
    below: bool,
}

/// Text, at the left.
pub(crate) const fn left(heading: &'static str) -> Column {
    Column {
        heading,
        right: false,
        spare: 0,
        below: false,
    }
}

/// Numbers, at the right.
pub(crate) const fn right(heading: &'static str) -> Column {
    Column {
        heading,
        right: true,
        spare: 0,
        below: false,
    }
}

impl Column {
    /// A column that may be left out; the highest goes first.
    pub(crate) const fn spare(self, spare: u8) -> Column {
        Column { spare, ..self }
    }

    /// A column of many words: where there is no room, they stand on lines of their own below the row.
    pub(crate) const fn below(self) -> Column {
        Column { below: true, ..self }
    }
}

/// The lines of a table, the heading first. Where they don't fit `room`, columns go below their rows, then others are left out.
pub(crate) fn lines(columns: &[Column], rows: &[Vec<String>], room: Option<usize>) -> Vec<String> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let whole = draw(columns, rows, &shown);
    let Some(room) = room.filter(|room| widest(&whole) > *room) else {
        return whole;
    };
    shown.retain(|at| !columns[*at].below);
    let mut lines = draw(columns, rows, &shown);
    while widest(&lines) > room {
        let spare = shown.iter().copied().filter(|at| columns[*at].spare > 0);
        let Some(next) = spare.max_by_key(|at| columns[*at].spare) else {
            break;
        };
        shown.retain(|at| *at != next);
        lines = draw(columns, rows, &shown);
    }
    let mut lines = lines.into_iter();
    let mut all: Vec<String> = lines.next().into_iter().collect();
    for (line, row) in lines.zip(rows) {
        all.push(line);
        for (_, words) in columns.iter().zip(row).filter(|(column, _)| column.below) {
            all.extend(
                broken(&format!("{INDENT}{words}"), room, INDENT)
                    .lines()
                    .map(str::to_owned),
            );
        }
    }
    all
}

fn widest(lines: &[String]) -> usize {
    lines.iter().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn draw(columns: &[Column], rows: &[Vec<String>], shown: &[usize]) -> Vec<String> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(shown.iter().map(|at| columns[*at].heading));
    for row in rows {
        table.add_row(shown.iter().map(|at| row[*at].as_str()));
    }
    for (place, at) in shown.iter().enumerate() {
        if let Some(column) = table.column_mut(place) {
            column.set_padding((0, 2));
            column.set_cell_alignment(if columns[*at].right {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            });
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spare_goes_where_there_is_no_room() {
        let columns = [left("NAME"), right("SIZE"), left("NOTE").spare(1)];
        let rows = [vec!["a".to_owned(), "12 B".to_owned(), "a long story".to_owned()]];
        assert_eq!(
            lines(&columns, &rows, None),
            ["NAME  SIZE  NOTE", "a     12 B  a long story"]
        );
        assert_eq!(lines(&columns, &rows, Some(12)), ["NAME  SIZE", "a     12 B"]);
        assert_eq!(lines(&columns, &rows, Some(1)), ["NAME  SIZE", "a     12 B"]);
    }
    #[test]
    fn many_words_go_below_their_row_where_there_is_no_room() {
        let columns = [right(""), left("MIX").below(), right("COST"), left("WHY").spare(1)];
        let rows = [["1", "one two three", "9.00", "cheapest"].map(str::to_owned).to_vec()];
        assert_eq!(lines(&columns, &rows, Some(40))[1], "1  one two three  9.00  cheapest");
        assert_eq!(
            lines(&columns, &rows, Some(18)),
            ["   COST  WHY", "1  9.00  cheapest", "   one two three"]
        );
        assert_eq!(
            lines(&columns, &rows, Some(11)),
            ["   COST", "1  9.00", "   one two", "   three"]
        );
    }
}
