//! Colours of a mail, as far as telling whether text stands out from its ground needs them: sRGB by
//! names, hexadecimal digits, `rgb()` and `hsl()` (CSS Color 4 §4 to §7), and the looser spelling of
//! attributes (WHATWG HTML §2.3.6). Other spellings are unknown, and nothing is said of them.

use cssparser::color::{parse_hash_color, parse_named_color};
use cssparser::{Parser, Token};

/// Red, green, blue and how much it covers, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colour([f32; 4]);

impl Colour {
    pub(super) const WHITE: Self = Self([1.0; 4]);
    /// What our own style sheet gives text and links.
    pub(super) const INK: Self = Self([0.102, 0.102, 0.102, 1.0]);
    pub(super) const LINK: Self = Self([0.0, 0.0, 0.933, 1.0]);

    /// Reads a value of CSS.
    pub(super) fn of_style(value: &str) -> Option<Self> {
        let mut input = Parser::new(value);
        match input.next().ok()?.clone() {
            Token::Ident(word) if word.eq_ignore_ascii_case("transparent") => Some(Self([0.0; 4])),
            Token::Ident(word) => Self::named(&word),
            Token::Hash(hex) | Token::IDHash(hex) => Self::hexadecimal(&hex),
            Token::Function(name) => {
                let parts =
                    input.parse_nested_block(|input| Ok::<_, cssparser::ParseError<()>>(numbers(input)));
                let parts = parts.ok()??;
                match name.to_ascii_lowercase().as_str() {
                    "rgb" | "rgba" => Some(Self::of_rgb(parts)),
                    "hsl" | "hsla" => Some(Self::of_hsl(parts)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Reads an attribute, as `bgcolor`: the sharp sign may be missing.
    pub(super) fn of_attribute(value: &str) -> Option<Self> {
        let value = value.trim();
        Self::named(value).or_else(|| Self::hexadecimal(value.trim_start_matches('#')))
    }

    /// How it looks over another one.
    pub(super) fn over(self, ground: Self) -> Self {
        let ([r, g, b, a], Self(under)) = (self.0, ground);
        let mix = |own: f32, under: f32| own * a + under * (1.0 - a);
        Self([mix(r, under[0]), mix(g, under[1]), mix(b, under[2]), 1.0])
    }

    /// Whether it was meant to be seen.
    pub(super) fn is_opaque(self) -> bool {
        self.0[3] >= 0.5
    }

    /// Light or dark, whichever stands out more.
    pub(super) fn opposite(self) -> &'static str {
        if self.contrast(Self::WHITE) > self.contrast(Self::INK) { "#ffffff" } else { "#1a1a1a" }
    }

    /// From 1, the same, to 21, black on white (WCAG 2.2, contrast ratio).
    pub(super) fn contrast(self, other: Self) -> f32 {
        let (one, two) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(two) / one.min(two)
    }

    fn luminance(self) -> f32 {
        let linear = |part: f32| {
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [r, g, b, _] = self.0;
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    fn named(word: &str) -> Option<Self> {
        parse_named_color(&word.to_ascii_lowercase()).ok().map(|(r, g, b)| Self::of_octets(r, g, b, 1.0))
    }

    fn hexadecimal(hex: &str) -> Option<Self> {
        parse_hash_color(hex.as_bytes()).ok().map(|(r, g, b, a)| Self::of_octets(r, g, b, a))
    }

    fn of_octets(r: u8, g: u8, b: u8, a: f32) -> Self {
        let part = |octet: u8| f32::from(octet) / 255.0;
        Self([part(r), part(g), part(b), a])
    }

    fn of_rgb(parts: [(f32, bool); 4]) -> Self {
        let part = |(value, percent): (f32, bool)| {
            if percent { value.clamp(0.0, 1.0) } else { (value / 255.0).clamp(0.0, 1.0) }
        };
        Self([part(parts[0]), part(parts[1]), part(parts[2]), parts[3].0.clamp(0.0, 1.0)])
    }

    /// CSS Color 4 §7.1.
    fn of_hsl(parts: [(f32, bool); 4]) -> Self {
        let share = |(value, percent): (f32, bool)| {
            if percent { value.clamp(0.0, 1.0) } else { (value / 100.0).clamp(0.0, 1.0) }
        };
        let (hue, saturation, light) = (parts[0].0.rem_euclid(360.0), share(parts[1]), share(parts[2]));
        let reach = saturation * light.min(1.0 - light);
        let part = |n: f32| {
            let k = (n + hue / 30.0) % 12.0;
            light - reach * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0)
        };
        Self([part(0.0), part(8.0), part(4.0), parts[3].0.clamp(0.0, 1.0)])
    }
}

/// The three or four numbers of a function, and whether each is a percentage.
fn numbers(input: &mut Parser<'_>) -> Option<[(f32, bool); 4]> {
    let mut found = [(1.0, false); 4];
    let mut count = 0;
    while let Ok(token) = input.next() {
        let number = match token {
            Token::Number { value, .. } => (*value, false),
            Token::Percentage { unit_value, .. } => (*unit_value, true),
            Token::Dimension { value, unit, .. } if unit.eq_ignore_ascii_case("deg") => (*value, false),
            Token::Comma | Token::Delim('/') => continue,
            _ => return None,
        };
        *found.get_mut(count)? = number;
        count += 1;
    }
    (count >= 3).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_in_every_common_spelling() {
        let white = ["#fff", "#FFFFFF", "white", "rgb(255,255,255)", "rgb(100% 100% 100%)", "hsl(0,0%,100%)"];
        for value in white {
            assert_eq!(Colour::of_style(value), Some(Colour::WHITE), "{value}");
        }
        assert_eq!(Colour::of_style("hsl(240deg 100% 50%)"), Colour::of_style("blue"));
        assert_eq!(Colour::of_attribute("ffffff"), Some(Colour::WHITE));
        assert!(!Colour::of_style("rgb(0 0 0 / 10%)").expect("a colour").is_opaque());
        for unknown in ["var(--x)", "inherit", "oklch(1 0 0)", "", "rgb(1,2)", "#12"] {
            assert_eq!(Colour::of_style(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        let black = Colour::of_style("black").expect("a colour");
        assert!((Colour::WHITE.contrast(black) - 21.0).abs() < 0.01);
        assert!((Colour::WHITE.contrast(Colour::WHITE) - 1.0).abs() < 0.01);
        assert_eq!(black.opposite(), "#ffffff");
        assert_eq!(Colour::WHITE.opposite(), "#1a1a1a");
    }
}
