//! Charts as inline SVG: drawn here, whole without a script, in the page's own colours.

use std::fmt::Write as _;

/// Colours that people with any colour vision tell apart (Okabe and Ito 2008), each with a dash of its own.
const COLORS: [&str; 7] = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999",
];
const DASHES: [&str; 4] = ["none", "6 3", "2 3", "8 3 2 3"];

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 28.0;
const RIGHT: f64 = 16.0;

/// Text that means nothing to HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// One way to put values on a line of the picture.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// Values that are named, rising in their place: value and name.
    pub ticks: Vec<(f64, String)>,
    /// From the first to the last value, in equal factors instead of equal steps.
    pub log: bool,
}

impl Axis {
    /// Ticks at powers of ten round these values.
    #[must_use]
    pub fn decades(label: &str, values: impl Iterator<Item = f64>, name: impl Fn(f64) -> String) -> Axis {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            low = low.min(value.log10().floor());
            high = high.max(value.log10().ceil());
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 0.5 {
            high += 1.0;
        }
        let mut ticks = Vec::new();
        let mut at = low;
        while at <= high + 1e-9 {
            let value = 10_f64.powf(at);
            ticks.push((value, name(value)));
            at += 1.0;
        }
        Axis {
            label: label.to_owned(),
            ticks,
            log: true,
        }
    }

    /// Ticks in five even steps from nothing to beyond the largest of these values.
    #[must_use]
    pub fn steps(label: &str, values: impl Iterator<Item = f64>, name: impl Fn(f64) -> String) -> Axis {
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max).max(1e-9);
        let rough = most / 4.0;
        let unit = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * unit)
            .find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * unit);
        let ticks = (0..=5)
            .map(|count| f64::from(count) * step)
            .filter(|value| *value < most + step);
        Axis {
            label: label.to_owned(),
            ticks: ticks.map(|value| (value, name(value))).collect(),
            log: false,
        }
    }

    /// Where a value lies, 0 to 1; what lies beyond the ends lies on them.
    fn place(&self, value: f64) -> f64 {
        let (first, last) = (self.ticks[0].0, self.ticks[self.ticks.len() - 1].0);
        let place = if self.log {
            (value.max(first) / first).ln() / (last / first).ln()
        } else {
            (value - first) / (last - first)
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// A mark of a scatter.
#[derive(Clone, Debug)]
pub struct Dot {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Its radius in the picture.
    pub size: f64,
    /// Beaten ones are pale.
    pub pale: bool,
    /// With a ring round it.
    pub ring: bool,
    /// A letter beside it; none if empty.
    pub letter: String,
    /// What is told of it.
    pub title: String,
}

/// A line of a line chart.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Across and up.
    pub points: Vec<(f64, f64)>,
    /// Thick, or thin.
    pub thick: bool,
}

fn x_of(axis: &Axis, value: f64) -> f64 {
    LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)
}

fn y_of(axis: &Axis, value: f64) -> f64 {
    HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - BOTTOM - TOP)
}

fn frame(title: &str, x: &Axis, y: &Axis, body: &str) -> String {
    let mut svg = format!(
        "<div class=\"wide\"><svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\"><g class=\"grid\">",
        escape(title)
    );
    for (value, name) in &x.ticks {
        let at = x_of(x, *value);
        let (top, bottom, below) = (TOP, HEIGHT - BOTTOM, HEIGHT - BOTTOM + 19.0);
        let _ = write!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{bottom}\"/><text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>",
            escape(name)
        );
    }
    for (value, name) in &y.ticks {
        let at = y_of(y, *value);
        let (right, label, base) = (WIDTH - RIGHT, LEFT - 6.0, at + 4.0);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/><text x=\"{label}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>",
            escape(name)
        );
    }
    let (middle, foot) = (f64::midpoint(LEFT, WIDTH), HEIGHT - 4.0);
    let _ = write!(
        svg,
        "</g><text x=\"{middle:.1}\" y=\"{foot}\" text-anchor=\"middle\">{}</text><text x=\"4\" y=\"12\">{}</text>{body}</svg></div>",
        escape(&x.label),
        escape(&y.label)
    );
    svg
}

/// Marks by two figures. Those that aren't pale are joined from the left, each that lies below all before it.
#[must_use]
pub fn scatter(title: &str, x: &Axis, y: &Axis, dots: &[Dot]) -> String {
    let mut body = String::new();
    let mut order: Vec<&Dot> = dots.iter().collect();
    order.sort_by_key(|dot| !dot.pale);
    let mut lowest = f64::INFINITY;
    let mut joined: Vec<String> = Vec::new();
    for dot in order.iter().filter(|dot| !dot.pale) {
        if dot.y < lowest {
            lowest = dot.y;
            joined.push(format!("{:.1},{:.1}", x_of(x, dot.x), y_of(y, dot.y)));
        }
    }
    let _ = write!(
        body,
        "<polyline class=\"joined\" points=\"{}\" fill=\"none\"/>",
        joined.join(" ")
    );
    for dot in &order {
        let (across, up) = (x_of(x, dot.x), y_of(y, dot.y));
        let class = if dot.pale { "pale" } else { "front" };
        let _ = write!(
            body,
            "<circle cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"{:.1}\" class=\"{class}\"><title>{}</title></circle>",
            dot.size,
            escape(&dot.title)
        );
        if dot.ring {
            let _ = write!(
                body,
                "<circle cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"{:.1}\" class=\"ring\" fill=\"none\"/>",
                dot.size + 4.0
            );
        }
    }
    letters(&mut body, x, y, &order);
    frame(title, x, y, &body)
}

/// Letters above their dots; one that would lie on another is left out, its row in the table below has it.
fn letters(body: &mut String, x: &Axis, y: &Axis, dots: &[&Dot]) {
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for dot in dots.iter().filter(|dot| !dot.letter.is_empty()) {
        let at = (x_of(x, dot.x), (y_of(y, dot.y) - dot.size - 4.0).max(TOP - 2.0));
        if taken
            .iter()
            .any(|other| (other.0 - at.0).abs() < 14.0 && (other.1 - at.1).abs() < 12.0)
        {
            continue;
        }
        taken.push(at);
        let _ = write!(
            body,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" class=\"letter\">{}</text>",
            at.0,
            at.1,
            escape(&dot.letter)
        );
    }
}

/// Lines with a legend below.
#[must_use]
pub fn lines(title: &str, x: &Axis, y: &Axis, lines: &[Line]) -> String {
    let (mut body, mut legend) = (String::new(), String::from("<p class=\"legend\">"));
    for (at, line) in lines.iter().enumerate() {
        let (color, dash) = (COLORS[at % COLORS.len()], DASHES[at / COLORS.len() % DASHES.len()]);
        let dash = if line.thick { dash } else { DASHES[1 + at % 3] };
        let path: Vec<String> = line
            .points
            .iter()
            .map(|(a, b)| format!("{:.1},{:.1}", x_of(x, *a), y_of(y, *b)))
            .collect();
        let width = if line.thick { 2.5 } else { 1.3 };
        let _ = write!(
            body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\" stroke-dasharray=\"{dash}\"><title>{}</title></polyline>",
            path.join(" "),
            escape(&line.name)
        );
        let _ = write!(
            legend,
            "<span><svg viewBox=\"0 0 24 8\" class=\"key\"><line x1=\"0\" y1=\"4\" x2=\"24\" y2=\"4\" stroke=\"{color}\" stroke-width=\"{width}\" stroke-dasharray=\"{dash}\"/></svg>{}</span> ",
            escape(&line.name)
        );
    }
    frame(title, x, y, &body) + &legend + "</p>"
}

/// Marks on a line chart, such as failures: across and up.
#[must_use]
pub fn lines_with_marks(title: &str, x: &Axis, y: &Axis, curves: &[Line], marks: &[(f64, f64, String)]) -> String {
    let mut crosses = String::new();
    for (across, up, what) in marks {
        let (a, b) = (x_of(x, *across), y_of(y, *up));
        let _ = write!(
            crosses,
            "<path class=\"cross\" d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\"><title>{}</title></path>",
            a - 4.0,
            b - 4.0,
            escape(what)
        );
    }
    lines(title, x, y, curves).replacen("</svg></div>", &format!("{crosses}</svg></div>"), 1)
}

/// One bar of several pieces: name, and each piece with its name and length.
pub type Bar = (String, Vec<(String, f64)>);

/// Bars of one piece, each with the interval that it lies in: name, what it shows, mean, low, high.
pub type Whiskered = (String, String, [f64; 3]);

/// Bars with whiskers, all on one scale.
#[must_use]
pub fn whiskers(title: &str, unit: &str, rows: &[Whiskered]) -> String {
    let most = rows
        .iter()
        .map(|row| row.2[2].max(row.2[0]))
        .filter(|most| most.is_finite())
        .fold(0.0, f64::max);
    let place = |value: f64| {
        if most > 0.0 && value.is_finite() {
            (value / most * 100.0).clamp(0.0, 100.0)
        } else {
            0.0
        }
    };
    let mut kinds: Vec<&str> = Vec::new();
    let mut html = format!("<div class=\"bars\" role=\"img\" aria-label=\"{}\">", escape(title));
    for (name, kind, [mean, low, high]) in rows {
        if !kinds.contains(&kind.as_str()) {
            kinds.push(kind);
        }
        let color = COLORS[kinds.iter().position(|known| known == kind).unwrap_or(0) % COLORS.len()];
        let (to, from, end) = (place(*mean), place(*low), place(*high));
        let _ = write!(
            html,
            "<div class=\"bar\"><span>{} {}</span><svg viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\">\
             <rect width=\"{to:.2}\" height=\"6\" fill=\"{color}\"><title>{mean:.2} {unit}, 95 %: {low:.2} to {high:.2}</title></rect>\
             <path class=\"whisker\" vector-effect=\"non-scaling-stroke\" d=\"M{from:.2} 3H{end:.2}M{from:.2} 1v4M{end:.2} 1v4\"/></svg><b>{}</b></div>",
            escape(name),
            escape(kind),
            short(*mean),
            unit = escape(unit),
        );
    }
    html + "</div>"
}

/// A figure in few digits.
#[must_use]
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Bars that lie, each cut in pieces, with a legend of the pieces.
#[must_use]
pub fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    let most = bars
        .iter()
        .map(|(_, pieces)| pieces.iter().map(|(_, len)| len).sum::<f64>())
        .fold(0.0, f64::max);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in bars.iter().flat_map(|(_, pieces)| pieces) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let color = |name: &str| COLORS[names.iter().position(|other| *other == name).unwrap_or(0) % COLORS.len()];
    let mut html = format!("<div class=\"bars\" role=\"img\" aria-label=\"{}\">", escape(title));
    for (name, pieces) in bars {
        let sum: f64 = pieces.iter().map(|(_, len)| len).sum();
        let _ = write!(
            html,
            "<div class=\"bar\"><span>{}</span><svg viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\">",
            escape(name)
        );
        let mut from = 0.0;
        for (piece, len) in pieces {
            let width = if most > 0.0 { len / most * 100.0 } else { 0.0 };
            let _ = write!(
                html,
                "<rect x=\"{from:.2}\" y=\"0\" width=\"{width:.2}\" height=\"6\" fill=\"{}\"><title>{}: {len:.2} {}</title></rect>",
                color(piece),
                escape(piece),
                escape(unit)
            );
            from += width;
        }
        let _ = write!(html, "</svg><b>{sum:.2}</b></div>");
    }
    html.push_str("</div><p class=\"legend\">");
    if names.len() > 1 {
        for name in &names {
            let _ = write!(
                html,
                "<span><svg viewBox=\"0 0 8 8\" class=\"box\"><rect width=\"8\" height=\"8\" fill=\"{}\"/></svg>{}</span> ",
                color(name),
                escape(name)
            );
        }
    }
    html + "</p>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_as_many_marks_as_data_and_no_number_that_is_none() {
        let dots: Vec<Dot> = [0.0, 1.0, f64::NAN, f64::INFINITY, 1e-30]
            .into_iter()
            .map(|value| Dot {
                x: value,
                y: value,
                size: 3.0,
                pale: false,
                ring: true,
                letter: "A".to_owned(),
                title: "<a & b>".to_owned(),
            })
            .collect();
        let x = Axis::steps("x", dots.iter().map(|dot| dot.x), |value| value.to_string());
        let y = Axis::decades("y", dots.iter().map(|dot| dot.y), |value| value.to_string());
        let svg = scatter("t", &x, &y, &dots);
        assert_eq!(svg.matches("<circle").count(), 10);
        assert_eq!(svg.matches("class=\"letter\"").count(), 2, "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("&lt;a &amp; b&gt;"));
        let empty = Axis::decades("y", std::iter::empty(), |value| value.to_string());
        assert_eq!(empty.ticks.len(), 2);
        let line = Line {
            name: "l".to_owned(),
            points: vec![(0.0, 0.0), (1.0, 1.0)],
            thick: true,
        };
        let svg = lines("t", &x, &empty, &[line.clone(), line]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        let html = bars("t", "USD", &[("a".to_owned(), vec![("x".to_owned(), 0.0)])]);
        assert!(!html.contains("NaN"));
        let html = whiskers(
            "t",
            "MiB/s",
            &[("a".to_owned(), "get".to_owned(), [f64::NAN, 0.0, f64::INFINITY])],
        );
        assert!(!html.contains("\"NaN") && html.contains("<b>-</b>"), "{html}");
        let svg = lines_with_marks("t", &x, &empty, &[], &[(0.5, 0.5, "1 failed".to_owned())]);
        assert_eq!(svg.matches("class=\"cross\"").count(), 1);
    }
}
