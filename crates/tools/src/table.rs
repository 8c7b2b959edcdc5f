//! Columns of text, each as wide as its widest cell.

/// Rows under a header; columns are separated by one space and padded on the right, the last one too.
pub fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell: &String| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let cells = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join(" ")
    };
    rows.iter().map(cells).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["GROUP", "TOPIC"], ["a", "消息消息消息"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(aligned(&rows), ["GROUP TOPIC ", "a     消息消息消息"]);
    }
}
