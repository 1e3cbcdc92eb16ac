//! Tables for people: a heading, columns as wide as they must be, and fewer of them where there is no room.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// One column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    heading: &'static str,
    right: bool,
    /// The higher, the sooner it is left out; 0 stays.
    spare: u8,
}

/// Text, at the left.
pub(crate) const fn left(heading: &'static str) -> Column {
    Column {
        heading,
        right: false,
        spare: 0,
    }
}

/// Numbers, at the right.
pub(crate) const fn right(heading: &'static str) -> Column {
    Column {
        heading,
        right: true,
        spare: 0,
    }
}

impl Column {
    /// A column that may be left out; the highest goes first.
    pub(crate) const fn spare(self, spare: u8) -> Column {
        Column { spare, ..self }
    }
}

/// The lines of a table, the heading first. Columns are left out until it fits `room`.
pub(crate) fn lines(columns: &[Column], rows: &[Vec<String>], room: Option<usize>) -> Vec<String> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    loop {
        let lines = draw(columns, rows, &shown);
        let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let next = shown
            .iter()
            .copied()
            .filter(|at| columns[*at].spare > 0)
            .max_by_key(|at| columns[*at].spare);
        match next {
            Some(spare) if room.is_some_and(|room| widest > room) => shown.retain(|at| *at != spare),
            _ => return lines,
        }
    }
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
}
