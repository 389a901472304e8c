//! The grid as one page: no script, no other file.

use std::fmt::Write;

use super::{Cell, Counts, Report};

const STYLE: &str = "\
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif } body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem } th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #8884 }
td.ok { color: #2a8f3c } td.FAILED, td.UNEXPECTED { background: #c22; color: #fff } td.expected { color: #b8860b } td.absent, td.skipped { color: #888 }
small { display: block }";

pub(super) fn render(report: &Report) -> String {
    let Counts { passed, failed, expected_failures, skipped, absent } = report.counts();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Wharf conformance</title><style>{STYLE}</style>\n\
         <h1>Conformance</h1>\n<p>{passed} passed, {failed} failed, {expected_failures} expected to fail, {skipped} skipped, \
         {absent} absent</p>\n"
    );
    for guest in report.guests() {
        let grid = report.grid(guest);
        let _ = write!(page, "<h2>{}</h2>\n<table><tr><th>case", escape(guest));
        for language in &grid.languages {
            let _ = write!(page, "<th>{}", escape(language));
        }
        page.push('\n');
        for (case, cells) in &grid.rows {
            let _ = write!(page, "<tr><td>{}", escape(case));
            cells.iter().for_each(|cell| square(&mut page, *cell));
            page.push('\n');
        }
        page.push_str("</table>\n");
    }
    page
}

fn square(page: &mut String, cell: Option<&Cell>) {
    let Some(Cell { outcome, .. }) = cell else {
        page.push_str("<td>");
        return;
    };
    let mark = outcome.mark();
    let _ = write!(page, "<td class=\"{mark}\">{mark}");
    if let Some(why) = outcome.why() {
        let _ = write!(page, "<small>{}</small>", escape(why));
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
