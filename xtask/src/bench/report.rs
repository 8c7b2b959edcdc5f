//! The table and the plot: medians with their spread, ratios taken round by round within one run.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Party;
use super::loads::Load;
use super::run::Figure;

/// A figure, of whom, under which load; in the order in which they were taken.
#[derive(Clone, Debug)]
pub struct Sample {
    pub load: &'static str,
    pub party: Party,
    pub figure: Figure,
}

/// One line of the table: all rounds of one metric under one load.
struct Line<'a> {
    load: &'static str,
    figure: &'a Figure,
    values: BTreeMap<Party, Vec<f64>>,
}

fn lines<'a>(loads: &[Load], samples: &'a [Sample]) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for load in loads {
        for sample in samples.iter().filter(|sample| sample.load == load.name) {
            let known = lines
                .iter_mut()
                .find(|line| line.load == load.name && line.figure.metric == sample.figure.metric);
            let value = sample.figure.value;
            match known {
                Some(line) => line.values.entry(sample.party).or_default().push(value),
                None => lines.push(Line {
                    load: load.name,
                    figure: &sample.figure,
                    values: BTreeMap::from([(sample.party, vec![value])]),
                }),
            }
        }
    }
    lines
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Median, and from lowest to highest where there is more than one.
fn spread(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values.len() {
        0 => "–".to_owned(),
        1 => number(low),
        _ => format!("{} ({}–{})", number(median(values)), number(low), number(high)),
    }
}

impl Line<'_> {
    fn of(&self, party: Party) -> &[f64] {
        self.values.get(&party).map(Vec::as_slice).unwrap_or_default()
    }

    /// Round by round: each ratio is of two figures taken one after the other.
    fn ratios(&self, above: Party, below: Party) -> Vec<f64> {
        self.of(above).iter().zip(self.of(below)).map(|(above, below)| above / below).collect()
    }
}

/// What the document says of itself.
pub struct About<'a> {
    pub title: &'a str,
    pub run: &'a str,
    pub plot: &'a str,
}

pub fn document(loads: &[Load], samples: &[Sample], about: &About<'_>) -> String {
    let About { title, run, plot } = about;
    let mut text = format!(
        "# {title}\n\nWritten by {run}. Barnabas and Apache Kafka (1 GiB heap, as its start script \
         sets it) in turns on one machine.\nEach figure is a median with its lowest and highest; a ratio is taken within each \
         round, so that what the machine does meanwhile\ntouches both sides. Broker CPU is read from `/proc`, apart from the \
         client's. The floor is what the machine does at best: bytes from a\nsocket to a file with their CRC, an echo over epoll \
         driven by the same client, sendfile.\n\n![ratios]({plot})\n\n"
    );
    text.push_str(
        "| load | figure | Barnabas | Apache Kafka | ratio | floor | of floor |\n|--|--|--|--|--|--|--|\n",
    );
    let mut before = "";
    for line in lines(loads, samples) {
        let about = loads.iter().find(|load| load.name == line.load).map_or("", |load| load.about);
        let load = if before == line.load { String::new() } else { format!("`{}`: {about}", line.load) };
        before = line.load;
        let better = if line.figure.more_is_better { "more is better" } else { "less is better" };
        let _ = writeln!(
            text,
            "| {load} | {} ({}; {better}) | {} | {} | {} | {} | {} |",
            line.figure.metric,
            line.figure.unit,
            spread(line.of(Party::Barnabas)),
            spread(line.of(Party::Kafka)),
            spread(&line.ratios(Party::Barnabas, Party::Kafka)),
            spread(line.of(Party::Floor)),
            spread(&line.ratios(Party::Barnabas, Party::Floor)),
        );
    }
    text
}

const ROW: usize = 26;
const LEFT: f64 = 330.0;
const WIDTH: f64 = 560.0;

/// One bar a figure: how many times better than Apache Kafka, on a scale of powers of two from 1/4 to 64.
pub fn plot(loads: &[Load], samples: &[Sample]) -> String {
    let bars: Vec<(String, Vec<f64>)> = lines(loads, samples)
        .iter()
        .filter_map(|line| {
            let mut ratios = line.ratios(Party::Barnabas, Party::Kafka);
            if !line.figure.more_is_better {
                ratios.iter_mut().for_each(|ratio| *ratio = 1.0 / *ratio);
            }
            ratios.retain(|ratio| ratio.is_finite() && *ratio > 0.0);
            (!ratios.is_empty()).then(|| (format!("{}: {}", line.load, line.figure.metric), ratios))
        })
        .collect();
    let height = (bars.len() + 2) * ROW + 20;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"960\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"22\" font-size=\"15\">Times better than Apache Kafka, same machine, same run</text>\n"
    );
    for power in -2..=6 {
        let (x, times) = (place(2f64.powi(power)), 2f64.powi(power));
        let color = if power == 0 { "#333" } else { "#ddd" };
        let _ =
            writeln!(svg, "<line x1=\"{x:.0}\" y1=\"50\" x2=\"{x:.0}\" y2=\"{height}\" stroke=\"{color}\"/>");
        let _ =
            writeln!(svg, "<text x=\"{x:.0}\" y=\"44\" text-anchor=\"middle\" fill=\"#555\">{times}×</text>");
    }
    for (row, (name, ratios)) in bars.iter().enumerate() {
        let y = row * ROW + 54;
        let (low, high) =
            ratios.iter().fold((f64::INFINITY, 0f64), |(low, high), &r| (low.min(r), high.max(r)));
        let (x, one) = (place(median(ratios)), place(1.0));
        let color = if x >= one { "#2b7a4b" } else { "#b3472f" };
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>", LEFT - 10.0, y + 14);
        let _ = writeln!(
            svg,
            "<rect x=\"{:.0}\" y=\"{y}\" width=\"{:.0}\" height=\"18\" fill=\"{color}\"/>",
            x.min(one),
            (x - one).abs().max(1.0)
        );
        let (from, to, middle) = (place(low), place(high), y + 9);
        let _ = writeln!(
            svg,
            "<line x1=\"{from:.0}\" y1=\"{middle}\" x2=\"{to:.0}\" y2=\"{middle}\" stroke=\"#111\" stroke-width=\"2\"/>"
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn place(ratio: f64) -> f64 {
    LEFT + (ratio.log2().clamp(-2.0, 6.0) + 2.0) / 8.0 * WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loads::LOADS;

    fn sample(party: Party, value: f64) -> Sample {
        let figure = Figure { metric: "p99", value, unit: "ms", more_is_better: false };
        Sample { load: "single", party, figure }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let samples = [
            sample(Party::Barnabas, 1.0),
            sample(Party::Kafka, 4.0),
            sample(Party::Kafka, 20.0),
            sample(Party::Barnabas, 10.0),
        ];
        let about = About { title: "Benchmarks", run: "a test", plot: "benchmarks.svg" };
        let text = document(LOADS, &samples, &about);
        assert!(
            text.contains("| 10.0 (1.00–10.0) | 20.0 (4.00–20.0) | 0.50 (0.25–0.50) | – | – |"),
            "{text}"
        );
        assert!(plot(LOADS, &samples).contains("single: p99"));
    }

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [(0.123, "0.12"), (12.34, "12.3"), (12345.6, "12346")] {
            assert_eq!(number(value), expected);
        }
    }
}
