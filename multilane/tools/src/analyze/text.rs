//! The answer in the terminal.

use std::io::IsTerminal as _;

use terminal_size::{Width, terminal_size_of};
use textwrap::{Options, WordSplitter};

use crate::analyze::advice::{Advice, list};
use crate::analyze::analysis::Analysis;
use crate::analyze::sections::{self, Block, Row, Table, most_seconds};
use crate::flags::analyze::Part;
use multilane_engine::ui::bytes;

/// How many of a list are shown; the report and `--json` have all.
const SHOWN_MAX: usize = 5;

/// The number of columns where the output is no terminal.
const WIDTH: usize = 80;

const INDENT: &str = "    ";

pub(crate) fn answer(analysis: &Analysis) -> String {
    let stdout = std::io::stdout();
    let width = terminal_size_of(&stdout).filter(|_| stdout.is_terminal());
    let width = width.map_or(WIDTH, |(Width(width), _)| usize::from(width).max(40));
    let mut text = Text { out: String::new(), width };
    text.build(analysis);
    if analysis.facts.wants(Part::Timings) {
        text.timings(analysis);
    }
    for section in sections::all(analysis) {
        text.heading(&section.title);
        for block in section.blocks {
            text.block(block);
        }
    }
    text.out.trim_end().to_owned()
}

struct Text {
    out: String,
    width: usize,
}

impl Text {
    fn build(&mut self, analysis: &Analysis) {
        let facts = &analysis.facts;
        let fresh = match facts.timings.fresh {
            0 => String::new(),
            fresh => format!(" Units that were fresh: {fresh}."),
        };
        let summary = format!(
            "{} units in {:.1} s, {} at a time, {:.0} % of that time in use.{fresh} With any \
             number of processors: {:.1} s. The simulation of the build: {:.1} s ({}).",
            analysis.graph.units.len(),
            analysis.total,
            analysis.jobs,
            analysis.busy * 100.0,
            analysis.critical_total,
            analysis.run.total,
            analysis.shown_error()
        );
        self.wrapped("", "", &facts.build);
        self.wrapped("", "", &summary);
        for note in analysis.notes() {
            self.wrapped("", "", &note);
        }
    }

    fn timings(&mut self, analysis: &Analysis) {
        let dearest = most_seconds(&analysis.what_if, 0.01 * analysis.total);
        let row = |(saves, at): (f64, usize)| {
            let timed = &analysis.graph.units[at].timed;
            Row::new([format!("{saves:.1}"), format!("{:.1}", timed.duration)], [timed.title()])
        };
        if !dearest.is_empty() {
            self.heading("Units that delay the build");
            let numbers = ["Seconds sooner without", "Seconds"];
            self.table(Table::new(&numbers, &["Unit"], dearest.into_iter().map(row)));
        }
        self.heading("What would save most");
        if let Some(why) = analysis.why_no_advice() {
            self.paragraph(&why);
        }
        for (number, advice) in analysis.advice.iter().take(SHOWN_MAX).enumerate() {
            let Advice { saves, title, because, edit, sure, .. } = advice;
            let part = saves / analysis.run.total * 100.0;
            let first = format!("{:>2}. ", number + 1);
            self.wrapped(&first, INDENT, &format!("{saves:.1} s ({part:.0} %): {title}"));
            self.paragraph(&format!("{because}."));
            self.paragraph(&format!("{edit}."));
            self.paragraph(&format!("Certainty of the number: {}.\n", sure.word()));
        }
        if let Some(more) = analysis.advice.len().checked_sub(SHOWN_MAX + 1) {
            self.paragraph(&format!("{} more are in the report and in --json.", more + 1));
        }
    }

    fn block(&mut self, block: Block) {
        match block {
            Block::Heading(title) => self.wrapped("\n  ", "  ", &title),
            Block::Text(text) => self.paragraph(&text),
            Block::Table(table) => self.table(table),
            Block::List(title, items) => self.paragraph(&format!("{title}: {}.", list(&items))),
            Block::Sizes(title, sizes) => {
                let rows = sizes.into_iter().map(|(name, size)| Row::new([bytes(size)], [name]));
                self.table(Table::new(&["Size"], &[title], rows));
            }
            Block::Drawing => {}
        }
    }

    fn heading(&mut self, title: &str) {
        if !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
        self.wrapped("", "", title);
    }

    fn paragraph(&mut self, text: &str) {
        self.wrapped(INDENT, INDENT, text);
    }

    /// Numbers first, since they are short; then the words, whose further lines begin below the
    /// first.
    fn table(&mut self, table: Table) {
        let heads: Vec<String> = table.numbers.iter().map(|head| head.to_uppercase()).collect();
        let rows = table.rows.iter().take(SHOWN_MAX);
        let width = |column: usize| {
            let cells = rows.clone().map(|row| row.numbers[column].chars().count());
            cells.chain([heads[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let mut line = |numbers: &[String], words: &str| {
            let mut first = INDENT.to_owned();
            for (number, width) in numbers.iter().zip(&widths) {
                first.push_str(&format!("{number:>width$}  "));
            }
            let further = " ".repeat(first.chars().count());
            self.wrapped(&first, &further, words);
        };
        line(&heads, &table.words[0].to_uppercase());
        for row in rows.clone() {
            let words = row.words.iter().filter(|word| !word.is_empty());
            line(&row.numbers, &words.cloned().collect::<Vec<_>>().join("; "));
        }
    }

    /// Words stay whole: a path or a name that is too long makes its line longer.
    fn wrapped(&mut self, first: &str, further: &str, text: &str) {
        let options = Options::new(self.width)
            .initial_indent(first)
            .subsequent_indent(further)
            .break_words(false)
            .word_splitter(WordSplitter::NoHyphenation);
        self.out.push_str(&textwrap::fill(text, options));
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_the_width_and_words_stay_whole() {
        let mut text = Text { out: String::new(), width: 40 };
        let row = |number: &str, words: &str| Row::new([number.into()], [words.into()]);
        text.wrapped("", "", "A table:");
        let rows = [
            row("1.5", "a-name with-some further words behind it"),
            row("12.5", "a-name-that-is-longer-than-any-line-could-be"),
        ];
        text.table(Table::new(&["Seconds"], &["Unit"], rows));
        expect_test::expect![[r#"
            A table:
                SECONDS  UNIT
                    1.5  a-name with-some further
                         words behind it
                   12.5  a-name-that-is-longer-than-any-line-could-be
        "#]]
        .assert_eq(&text.out);
    }
}
