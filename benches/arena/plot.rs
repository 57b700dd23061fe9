//! Line charts as SVG: one or more panels side by side over the same axes, every line with its name where it ends.

use std::fmt::Write;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Marker {
    Disc,
    Ring,
    Square,
    Triangle,
    Diamond,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) colour: &'static str,
    pub(crate) marker: Marker,
    pub(crate) dashed: bool,
}

pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) style: Style,
    pub(crate) points: Vec<(f64, f64)>,
    /// The line ends before the axis does.
    pub(crate) broken: bool,
}

pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) series: Vec<Series>,
}

pub(crate) struct Axis {
    pub(crate) label: &'static str,
    /// Behind every value.
    pub(crate) unit: &'static str,
    /// From the first to the last the axis reaches; a line of the grid stands at each.
    pub(crate) ticks: Vec<f64>,
    pub(crate) logarithmic: bool,
}

impl Axis {
    /// 0 at the first tick, 1 at the last.
    fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.ln() } else { value };
        let (Some(first), Some(last)) = (self.ticks.first(), self.ticks.last()) else { return 0.0 };
        ((scale(value) - scale(*first)) / (scale(*last) - scale(*first))).clamp(0.0, 1.0)
    }
}

pub(crate) struct Figure {
    pub(crate) title: &'static str,
    pub(crate) subtitle: String,
    pub(crate) note: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) more_is_better: bool,
    pub(crate) panels: Vec<Panel>,
}

const INK: &str = "#1b1f24";
const GREY: &str = "#59636e";
const GRID: &str = "#e4e7eb";
/// Pixels: left of the first panel, right of each for names, above and below.
const LEFT: f64 = 84.0;
const NAMES: f64 = 150.0;
const TOP: f64 = 116.0;
const BOTTOM: f64 = 76.0;
const FONT: f64 = 12.0;

/// A rectangle that a name or a line covers.
#[derive(Clone, Copy)]
struct Taken {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Taken {
    fn touches(&self, other: &Taken) -> bool {
        self.x < other.x + other.width && other.x < self.x + self.width && self.y < other.y + other.height && other.y < self.y + self.height
    }
}

/// About: no two systems have the same font. `bold` is for names in the panels, where too wide is better than too narrow.
fn text_width(text: &str, bold: bool) -> f64 {
    text.chars().count() as f64 * FONT * if bold { 0.68 } else { 0.58 }
}

impl Figure {
    pub(crate) fn svg(&self) -> String {
        let (wide, high, top) = if self.panels.len() == 1 { (580.0, 300.0, TOP - 22.0) } else { (190.0, 300.0, TOP) };
        let (width, height) = (LEFT + (wide + NAMES) * self.panels.len() as f64, top + high + BOTTOM);
        let mut out = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="{FONT}" fill="{INK}">
<title>{}</title>
<rect width="100%" height="100%" rx="6" fill="white"/>
<text x="20" y="30" font-size="17" font-weight="600">{}</text>
<text x="20" y="50" fill="{GREY}">{}</text>
<text x="20" y="{}" fill="{GREY}">{}</text>
"#,
            self.title,
            self.title,
            self.subtitle,
            height - 16.0,
            self.note
        );
        self.legend(&mut out);
        for (index, panel) in self.panels.iter().enumerate() {
            let frame = Taken { x: LEFT + (wide + NAMES) * index as f64, y: top, width: wide, height: high };
            self.axes(&mut out, &frame, index == 0);
            let _ = writeln!(out, r#"<text x="{}" y="{}" font-weight="600">{}</text>"#, frame.x, frame.y - 12.0, panel.title);
            self.lines(&mut out, &frame, panel);
        }
        out.push_str("</svg>\n");
        out
    }

    /// Every name once, the best first: who gets furthest, then who ends best in the last panel.
    fn legend(&self, out: &mut String) {
        let Some(panel) = self.panels.last() else { return };
        let mut order: Vec<&Series> = panel.series.iter().collect();
        let end = |series: &Series| series.points.last().map_or(f64::INFINITY, |(_, y)| if self.more_is_better { -y } else { *y });
        order.sort_by(|a, b| b.points.len().cmp(&a.points.len()).then(end(a).total_cmp(&end(b))));
        let mut x = 20.0;
        for series in order {
            stroke(out, &series.style, &[(x, 70.0), (x + 26.0, 70.0)]);
            marker(out, &series.style, x + 13.0, 70.0);
            let _ = writeln!(out, r#"<text x="{}" y="74">{}</text>"#, x + 33.0, series.name);
            x += 33.0 + text_width(series.name, false) + 20.0;
        }
    }

    fn axes(&self, out: &mut String, frame: &Taken, first: bool) {
        let (right, bottom) = (frame.x + frame.width, frame.y + frame.height);
        for &tick in &self.y.ticks {
            let y = bottom - self.y.place(tick) * frame.height;
            let _ = writeln!(out, r#"<path d="M{:.1} {y:.1}H{right:.1}" stroke="{GRID}"/>"#, frame.x);
            if first {
                let (x, unit) = (frame.x - 8.0, self.y.unit);
                let _ = writeln!(out, r#"<text x="{x:.1}" y="{:.1}" text-anchor="end" fill="{GREY}">{tick}{unit}</text>"#, y + 4.0);
            }
        }
        for &tick in &self.x.ticks {
            let x = frame.x + self.x.place(tick) * frame.width;
            let _ = writeln!(out, r#"<path d="M{x:.1} {:.1}V{:.1}" stroke="{GRID}"/>"#, frame.y, bottom + 4.0);
            let _ = writeln!(out, r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle" fill="{GREY}">{tick}</text>"#, bottom + 18.0);
        }
        let _ = writeln!(out, r#"<path d="M{:.1} {bottom:.1}H{right:.1}" stroke="{GREY}"/>"#, frame.x);
        let (x, y, label) = (frame.x + frame.width / 2.0, bottom + 36.0, self.x.label);
        let _ = writeln!(out, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle" fill="{GREY}">{label}</text>"#);
        if first {
            let (x, y, label) = (22.0, frame.y + frame.height / 2.0, self.y.label);
            let _ =
                writeln!(out, r#"<text transform="translate({x} {y:.1}) rotate(-90)" text-anchor="middle" fill="{GREY}">{label}</text>"#);
        }
    }

    fn lines(&self, out: &mut String, frame: &Taken, panel: &Panel) {
        let at = |&(x, y): &(f64, f64)| (frame.x + self.x.place(x) * frame.width, frame.y + (1.0 - self.y.place(y)) * frame.height);
        let mut taken = Vec::new();
        // The first in the list is drawn last: on top.
        for series in panel.series.iter().rev() {
            let line: Vec<_> = series.points.iter().map(at).collect();
            stroke(out, &series.style, &line);
            for &(x, y) in &line {
                marker(out, &series.style, x, y);
                taken.push(Taken { x: x - 7.0, y: y - 7.0, width: 14.0, height: 14.0 });
            }
            taken.extend(line.windows(2).flat_map(|ends| covered(ends[0], ends[1])));
        }
        let mut names: Vec<(f64, f64, &Series)> = Vec::new();
        for series in &panel.series {
            let Some(((x, y), value)) = series.points.last().map(at).zip(series.points.last()) else { continue };
            if series.broken {
                cross(out, &series.style, x, y);
                broken_name(out, frame, series, (x, y), &mut taken);
            } else {
                names.push((y, value.1, series));
            }
        }
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut rows: Vec<f64> = names.iter().map(|name| name.0).collect();
        spread(&mut rows, FONT + 3.0, frame.y + frame.height);
        for ((_, value, series), y) in names.iter().zip(rows) {
            let (x, colour, name, unit) = (frame.x + frame.width + 10.0, series.style.colour, series.name, self.y.unit);
            let _ = writeln!(
                out,
                r#"<text x="{x:.1}" y="{:.1}" fill="{colour}" font-weight="600">{name} <tspan font-weight="400">{value:.0}{unit}</tspan></text>"#,
                y + 4.0
            );
        }
    }
}

/// The boxes along a line that a name should keep off.
fn covered(from: (f64, f64), to: (f64, f64)) -> Vec<Taken> {
    let steps = ((to.0 - from.0).abs().max((to.1 - from.1).abs()) / 6.0).ceil().max(1.0);
    let point = |i: f64| (from.0 + (to.0 - from.0) * i / steps, from.1 + (to.1 - from.1) * i / steps);
    (0..=steps as u32).map(|i| point(i.into())).map(|(x, y)| Taken { x: x - 3.0, y: y - 3.0, width: 6.0, height: 6.0 }).collect()
}

/// The name of a line that ends within the panel, near its end, where nothing is.
fn broken_name(out: &mut String, frame: &Taken, series: &Series, (x, y): (f64, f64), taken: &mut Vec<Taken>) {
    let (width, height) = (text_width(series.name, true), FONT + 2.0);
    let inside = |spot: &Taken| spot.y >= frame.y && spot.y + height <= frame.y + frame.height && spot.x >= frame.x;
    let near = [0.0, 16.0, -16.0, 30.0, -30.0, 46.0, -46.0, 62.0, -62.0];
    let spots = near
        .iter()
        .flat_map(|dy| [12.0, -12.0 - width, -width / 2.0, 28.0].map(|dx| Taken { x: x + dx, y: y + dy - height / 2.0, width, height }));
    let spots: Vec<Taken> = spots.filter(inside).collect();
    let Some(spot) = spots.iter().find(|spot| !taken.iter().any(|other| spot.touches(other))).or(spots.first()) else { return };
    let (colour, name) = (series.style.colour, series.name);
    let _ = writeln!(
        out,
        r##"<text x="{:.1}" y="{:.1}" fill="{colour}" font-weight="600" stroke="#ffffff" stroke-width="4" paint-order="stroke">{name}</text>"##,
        spot.x,
        spot.y + FONT
    );
    taken.push(*spot);
}

/// Moves rows apart to at least `gap`, in order, none below `bottom`.
fn spread(rows: &mut [f64], gap: f64, bottom: f64) {
    for _ in 0..100 {
        for i in 1..rows.len() {
            let missing = gap - (rows[i] - rows[i - 1]);
            if missing > 0.0 {
                rows[i - 1] -= missing / 2.0;
                rows[i] += missing / 2.0;
            }
        }
        if let Some(last) = rows.last_mut() {
            *last = last.min(bottom);
        }
    }
}

fn stroke(out: &mut String, style: &Style, line: &[(f64, f64)]) {
    let points: Vec<String> = line.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let (points, colour, dash) = (points.join(" "), style.colour, if style.dashed { r#" stroke-dasharray="6 4""# } else { "" });
    let _ =
        writeln!(out, r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-linejoin="round"{dash}/>"#);
}

fn marker(out: &mut String, style: &Style, x: f64, y: f64) {
    let (colour, paper) = (style.colour, "#ffffff");
    let _ = match style.marker {
        Marker::Disc => writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}" stroke="{paper}"/>"#),
        Marker::Ring => writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.4" fill="{paper}" stroke="{colour}" stroke-width="2"/>"#),
        Marker::Square => writeln!(out, r#"<path d="M{x:.1} {y:.1}m-3.6-3.6h7.2v7.2h-7.2z" fill="{colour}" stroke="{paper}"/>"#),
        Marker::Triangle => writeln!(out, r#"<path d="M{x:.1} {y:.1}m0-4.8l4.6 8h-9.2z" fill="{colour}" stroke="{paper}"/>"#),
        Marker::Diamond => writeln!(out, r#"<path d="M{x:.1} {y:.1}m0-5l5 5-5 5-5-5z" fill="{colour}" stroke="{paper}"/>"#),
    };
}

fn cross(out: &mut String, style: &Style, x: f64, y: f64) {
    for (colour, width) in [("#ffffff", 6.0), (style.colour, 2.6)] {
        let _ = writeln!(out, r#"<path d="M{x:.1} {y:.1}m-6-6l12 12m0-12l-12 12" stroke="{colour}" stroke-width="{width}"/>"#);
    }
}
