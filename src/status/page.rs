//! A picture as a page: five questions, the answers first. No script, nothing fetched from elsewhere, as wide as the window.

use std::fmt::Write;

use super::Picture;
use crate::node::tally::Counted;

/// Memory doesn't fail to be written.
const INFALLIBLE: &str = "a string takes all that is written";

const STYLE: &str = "body{font:15px system-ui,sans-serif;margin:1rem auto;max-width:70rem;padding:0 1rem;color-scheme:light dark}\
    h1{font-size:1.1rem}.head{border:2px solid;padding:.6rem;font-size:1.2rem}.bad{border-style:double;border-width:5px}\
    table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15rem .8rem .15rem 0;text-align:left}\
    .n{text-align:right}div{overflow-x:auto}";

/// The page.
#[must_use]
pub fn render(picture: &Picture) -> String {
    let mut page = String::from("<!doctype html><html lang=en><meta charset=utf-8>");
    page.push_str("<meta name=viewport content=\"width=device-width\"><meta http-equiv=refresh content=5>");
    write!(
        page,
        "<title>RAIC: {}</title><style>{STYLE}</style>",
        text(&picture.headline)
    )
    .expect(INFALLIBLE);
    write!(
        page,
        "<h1>RAIC node · {} · up {} · v{} · {} · <a href=status.json>JSON</a> <a href=metrics>metrics</a></h1>",
        picture.backend,
        span(picture.up),
        picture.version,
        text(&picture.at),
    )
    .expect(INFALLIBLE);
    let bad = if picture.healthy { "" } else { " bad" };
    write!(page, "<p class=\"head{bad}\">{}</p>", text(&picture.headline)).expect(INFALLIBLE);
    providers(picture, &mut page);
    pairs("Objects", &picture.objects, &mut page);
    pairs("Work", &picture.work, &mut page);
    space(picture, &mut page);
    requests(&picture.requests, &mut page);
    page
}

fn providers(picture: &Picture, page: &mut String) {
    if picture.providers.is_empty() {
        return;
    }
    page.push_str(
        "<h1>Providers</h1><div><table><tr><th>Name<th>State<th class=n>Fragments<th class=n>Used<th class=n>Of",
    );
    page.push_str("<th class=n>A month<th>What is wrong");
    for place in &picture.providers {
        write!(
            page,
            "<tr><td>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>{}",
            text(&place.name),
            place.state,
            place.fragments,
            size(place.bytes),
            place.quota.map_or_else(|| "-".to_owned(), size),
            place
                .cost_month
                .map_or_else(|| "-".to_owned(), |cost| format!("{cost:.2}")),
            text(place.trouble.as_deref().unwrap_or_default()),
        )
        .expect(INFALLIBLE);
    }
    page.push_str("</table></div>");
}

fn pairs(title: &str, pairs: &[(&str, u64)], page: &mut String) {
    let told: Vec<String> = pairs
        .iter()
        .map(|(name, number)| format!("{} {number}", text(name)))
        .collect();
    if !told.is_empty() {
        write!(page, "<h1>{title}</h1><p>{}</p>", told.join(" · ")).expect(INFALLIBLE);
    }
}

fn space(picture: &Picture, page: &mut String) {
    let space = &picture.space;
    let available = match space.available {
        _ if space.read_only => "read-only: nothing new is taken".to_owned(),
        None => "nothing bounds it: no quota, no budget".to_owned(),
        Some(bytes) => format!(
            "{} for new shares, {} kept free and {} promised to uploads already taken off",
            size(bytes),
            size(space.reserve),
            size(space.promised)
        ),
    };
    write!(
        page,
        "<h1>Space</h1><p>{} stored · {available}</p>",
        size(picture.bytes)
    )
    .expect(INFALLIBLE);
    if let Some(cost) = picture.cost_month {
        let budget = picture
            .budget
            .map(|budget| format!(" of {budget:.2}"))
            .unwrap_or_default();
        write!(
            page,
            "<h1>Money</h1><p>{cost:.2}{budget} a month for what is stored</p>"
        )
        .expect(INFALLIBLE);
    }
}

fn requests(counted: &[Counted], page: &mut String) {
    page.push_str("<h1>Requests since the start</h1><div><table><tr><th>Kind<th class=n>Answered<th class=n>4xx<th class=n>5xx<th class=n>Mean");
    for row in counted {
        let total: u64 = row.codes.iter().sum();
        if total > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a mean is shown with two digits")]
            let mean = row.micros as f64 / total as f64 / 1000.0;
            let (refused, failed) = (row.codes[3], row.codes[4]);
            write!(
                page,
                "<tr><td>{}<td class=n>{total}<td class=n>{refused}<td class=n>{failed}<td class=n>{mean:.2} ms",
                row.kind
            )
            .expect(INFALLIBLE);
        }
    }
    page.push_str("</table></div>");
}

/// Text as a page may have it; characters that tell nobody anything are left out.
fn text(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => told.push_str("&amp;"),
            '<' => told.push_str("&lt;"),
            '>' => told.push_str("&gt;"),
            '"' => told.push_str("&quot;"),
            control if control.is_control() => told.push(' '),
            other => told.push(other),
        }
    }
    told
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = bytes.ilog2() / 10;
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let value = bytes as f64 / (1_u64 << (10 * power)) as f64;
    format!("{value:.2} {}", UNITS[power as usize - 1])
}

fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_errors_of_others_are_text_on_the_page() {
        let page = render(&super::super::sample());
        assert!(page.contains("a &quot;b&quot;\\&lt;c&gt;"), "{page}");
        assert!(page.contains("connection refused &lt;b&gt; &amp;"), "{page}");
        assert!(!page.contains("<b>") && !page.contains("<script"), "{page}");
    }

    #[test]
    fn sizes_and_spans_are_told_in_their_unit() {
        assert_eq!(
            [0, 1023, 1024, 3 << 20, u64::MAX].map(size),
            ["0 B", "1023 B", "1.00 KiB", "3.00 MiB", "16.00 EiB"]
        );
        assert_eq!([59, 3_660, 90_061].map(span), ["0 min", "1 h 1 min", "1 d 1 h"]);
    }
}
