//! Brings the changes of two sides together that began with the same text, line by line, as diff3 and git do.

use std::ops::Range;

use crate::plan::edit::{Line, diff_lines};

/// The text with both sides' changes.
#[derive(Debug, PartialEq)]
pub(crate) struct Merged {
    pub(crate) text: String,
    /// Places that both have changed, each in its own way. They stand in the text between markers, as git writes them.
    pub(crate) conflicts: usize,
}

/// How the sides are called behind the markers.
pub(crate) struct Names<'a> {
    pub(crate) ours: &'a str,
    pub(crate) theirs: &'a str,
}

pub(crate) fn three_way(base: &str, ours: &str, theirs: &str, names: &Names<'_>) -> Merged {
    let lines: Vec<&str> = base.split_inclusive('\n').collect();
    let (of_ours, of_theirs) = (changes(base, ours), changes(base, theirs));
    let mut sides = [of_ours.as_slice(), of_theirs.as_slice()];
    let mut merged = Merged { text: String::new(), conflicts: 0 };
    let mut at = 0;
    loop {
        let starts = sides.map(|changes| changes.first().map_or(usize::MAX, |change| change.range.start));
        let Some(start) = starts.into_iter().min().filter(|start| *start != usize::MAX) else { break };

        // Whatever overlaps, or touches, is one place: nobody knows in which order two insertions at one line belong.
        let mut place = start..start;
        let mut taken: [&[Change<'_>]; 2] = [&[], &[]];
        loop {
            let before = taken.map(<[_]>::len);
            for (side, taken) in sides.iter().zip(&mut taken) {
                let reach = side.iter().take_while(|change| change.range.start <= place.end).count();
                *taken = &side[..reach];
                place.end = taken.last().map_or(place.end, |change| place.end.max(change.range.end));
            }
            if taken.map(<[_]>::len) == before {
                break;
            }
        }
        sides = [&sides[0][taken[0].len()..], &sides[1][taken[1].len()..]];

        merged.text.extend(lines[at..place.start].iter().copied());
        let [ours, theirs] = taken.map(|changes| applied(&lines, &place, changes));
        if taken[1].is_empty() || ours == theirs {
            merged.text.push_str(&ours);
        } else if taken[0].is_empty() {
            merged.text.push_str(&theirs);
        } else {
            merged.conflicts += 1;
            let ended =
                |text: String| if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" };
            merged.text.push_str(&format!(
                "<<<<<<< {}\n{}=======\n{}>>>>>>> {}\n",
                names.ours,
                ended(ours),
                ended(theirs),
                names.theirs
            ));
        }
        at = place.end;
    }
    merged.text.extend(lines[at..].iter().copied());
    merged
}

/// Lines of the base, and what stands there instead.
struct Change<'a> {
    range: Range<usize>,
    lines: Vec<&'a str>,
}

fn changes<'a>(base: &'a str, side: &'a str) -> Vec<Change<'a>> {
    let mut changes: Vec<Change<'a>> = Vec::new();
    let mut at = 0;
    let mut is_open = false;
    for line in diff_lines(base, side) {
        if !matches!(line, Line::Both(_)) && !is_open {
            changes.push(Change { range: at..at, lines: Vec::new() });
        }
        is_open = !matches!(line, Line::Both(_));
        let change = changes.last_mut();
        match (line, change) {
            (Line::Old(_), Some(change)) => {
                at += 1;
                change.range.end = at;
            }
            (Line::New(text), Some(change)) => change.lines.push(text),
            _ => at += 1,
        }
    }
    changes
}

fn applied(base: &[&str], place: &Range<usize>, changes: &[Change<'_>]) -> String {
    let mut text = String::new();
    let mut at = place.start;
    for change in changes {
        text.extend(base[at..change.range.start].iter().copied());
        text.extend(change.lines.iter().copied());
        at = change.range.end;
    }
    text.extend(base[at..place.end].iter().copied());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base: &str, ours: &str, theirs: &str, expected: &str, conflicts: usize) {
        let text = |words: &str| words.split_whitespace().map(|word| format!("{word}\n")).collect::<String>();
        let names = Names { ours: "o", theirs: "t" };
        let merged = three_way(&text(base), &text(ours), &text(theirs), &names);
        let shown = merged.text.replace("<<<<<<< o", "<").replace(">>>>>>> t", ">").replace("=======", "=");
        assert_eq!(shown.split_whitespace().collect::<Vec<_>>().join(" "), expected);
        assert_eq!(merged.conflicts, conflicts);
    }

    #[test]
    fn each_sides_changes_are_in_it() {
        check("a b c d e", "a b c d e", "a b c d e", "a b c d e", 0);
        check("a b c d e", "a X c d e", "a b c d Y", "a X c d Y", 0);
        check("a b c d e", "a c d e", "a b c d N e", "a c d N e", 0);
        check("a b c", "X a b c", "a b c Y", "X a b c Y", 0);
        check("a b c", "a X c", "a X c", "a X c", 0);
        check("a b c", "", "a b c", "", 0);
        check("", "a", "", "a", 0);
        check("a b c d e f", "a b e f", "a b c d e f g", "a b e f g", 0);
    }

    #[test]
    fn what_both_have_changed_stands_there_twice() {
        check("a b c", "a X c", "a Y c", "a < X = Y > c", 1);
        check("a b c", "a c", "a Y c", "a < = Y > c", 1);
        check("a b", "a X b", "a Y b", "a < X = Y > b", 1);
        check("", "a", "b", "< a = b >", 1);
        check("a b c d e f g", "A b c d e f G", "Q b c d e f H", "< A = Q > b c d e f < G = H >", 2);
        // Touching counts as the same place.
        check("a b c d", "a B c d", "a b C d", "a < B c = b C > d", 1);
    }

    #[test]
    fn a_text_without_a_last_newline_is_not_run_into_a_marker() {
        let names = Names { ours: "o", theirs: "t" };
        let merged = three_way("a", "b", "c", &names);
        assert_eq!(merged.text, "<<<<<<< o\nb\n=======\nc\n>>>>>>> t\n");
    }

    /// With one side unchanged, the result is the other, whatever it is.
    #[test]
    fn an_unchanged_side_decides_nothing() {
        let mut seed = 3_u32;
        let mut text = || -> String {
            let mut next = |below: u32| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 16) % below
            };
            (0..next(12)).map(|_| ["a\n", "b\n", "c\n"][next(3) as usize]).collect()
        };
        let names = Names { ours: "o", theirs: "t" };
        for _ in 0..300 {
            let (base, side) = (text(), text());
            for merged in [three_way(&base, &side, &base, &names), three_way(&base, &base, &side, &names)] {
                assert_eq!(merged, Merged { text: side.clone(), conflicts: 0 }, "{base:?}");
            }
            assert_eq!(three_way(&base, &side, &side, &names).text, side);
        }
    }
}
