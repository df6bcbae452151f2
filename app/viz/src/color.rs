//! Colour maps that people with colour-vision deficiencies can read, and that are even to the eye.

use image::RgbImage;
use serde::{Deserialize, Serialize};

/// A colour in sRGB.
pub type Rgb = [u8; 3];

/// Matplotlib's viridis at even steps (CC0), the sequential map.
const VIRIDIS: [Rgb; 9] = [
    [68, 1, 84],
    [71, 45, 123],
    [59, 82, 139],
    [44, 114, 142],
    [33, 145, 140],
    [40, 174, 128],
    [94, 201, 98],
    [173, 220, 48],
    [253, 231, 37],
];

/// Matplotlib's cividis, the same to people with and without red-green blindness (Nuñez, Anderton & Renslow 2018).
const CIVIDIS: [Rgb; 9] = [
    [0, 34, 78],
    [26, 56, 111],
    [67, 78, 108],
    [97, 101, 111],
    [125, 124, 120],
    [155, 148, 118],
    [188, 174, 108],
    [222, 201, 88],
    [254, 232, 56],
];

/// Matplotlib's inferno.
const INFERNO: [Rgb; 9] = [
    [0, 0, 4],
    [33, 12, 74],
    [87, 16, 110],
    [138, 34, 106],
    [188, 55, 84],
    [228, 90, 49],
    [249, 142, 9],
    [249, 203, 53],
    [252, 255, 164],
];

/// Colours that people with colour-vision deficiencies can tell apart (Okabe & Ito 2008), grey in the place of black,
/// which a dark window would hide.
const OKABE_ITO: [Rgb; 8] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
    [204, 121, 167],
    [153, 153, 153],
];

/// Where [`Map::Focus`] does not look, and where it does, for a legend: the map itself takes its colours from the picture.
const UNSEEN: Rgb = [62, 64, 68];

const ORANGE: Rgb = [217, 95, 30];
const GREY: Rgb = [222, 221, 218];
const BLUE: Rgb = [38, 108, 184];

/// How attribution is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Map {
    /// The picture itself where the model looks, dark grey elsewhere.
    #[default]
    Focus,
    /// Violet, green, yellow.
    Viridis,
    /// Blue, grey, yellow.
    Cividis,
    /// Black, red, yellow.
    Inferno,
    /// Black to white.
    Grey,
}

impl Map {
    /// Every map, in the order of a menu.
    pub const ALL: [Self; 5] = [Self::Focus, Self::Viridis, Self::Cividis, Self::Inferno, Self::Grey];

    /// Its name in a menu.
    pub fn name(self) -> &'static str {
        match self {
            Self::Focus => "focus",
            Self::Viridis => "viridis",
            Self::Cividis => "cividis",
            Self::Inferno => "inferno",
            Self::Grey => "grey",
        }
    }

    /// The colour of a weight in [0, 1]; values outside are clamped, NaN is 0.
    pub fn color(self, weight: f64) -> Rgb {
        match self {
            Self::Focus => ramp(&[UNSEEN, ORANGE], weight),
            Self::Viridis => ramp(&VIRIDIS, weight),
            Self::Cividis => ramp(&CIVIDIS, weight),
            Self::Inferno => ramp(&INFERNO, weight),
            Self::Grey => [(unit(weight) * 255.0).round() as u8; 3],
        }
    }
}

/// The colour of the `i`-th of many classes: first those of Okabe and Ito, then hues a golden angle apart, so that
/// neighbours in number are far apart in colour, each lighter or darker than those of like hue. The first 120 can be told
/// apart side by side: no two are nearer than 0.02 in OKLab, about what an eye just notices.
pub fn categorical(i: usize) -> Rgb {
    const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653;
    const CHROMA: f64 = 0.13;
    // Of the steps tried, the one that keeps the first 120 colours farthest apart.
    const LIGHTNESS_STEP: f64 = 0.7025;
    if let Some(&color) = OKABE_ITO.get(i) {
        return color;
    }
    let lightness = 0.54 + 0.32 * (i as f64 * LIGHTNESS_STEP).fract();
    let (sin, cos) = (i as f64 * GOLDEN_ANGLE).sin_cos();
    // In gamut at this chroma but for a few light blues, which lose some of it.
    from_oklab([lightness, CHROMA * cos, CHROMA * sin])
}

/// A strip of colours from 0 at the left to 1 at the right, for a legend.
pub fn strip(width_px: u32, height_px: u32, color: impl Fn(f64) -> Rgb) -> RgbImage {
    let last = f64::from(width_px.max(2) - 1);
    let colors: Vec<Rgb> = (0..width_px).map(|x| color(f64::from(x) / last)).collect();
    RgbImage::from_fn(width_px, height_px, |x, _| image::Rgb(colors[x as usize]))
}

/// Sequential map from dark violet (0) to yellow (1); values outside are clamped, NaN is 0.
pub fn sequential(value: f64) -> Rgb {
    Map::Viridis.color(value)
}

/// The colour at a place between evenly spaced stops, two at least.
fn ramp(stops: &[Rgb], value: f64) -> Rgb {
    let position = unit(value) * (stops.len() - 1) as f64;
    let below = (position.floor() as usize).min(stops.len() - 2);
    mix(stops[below], stops[below + 1], position - below as f64)
}

/// Diverging map: orange at 0, light grey at `centre`, blue at 1; NaN is grey.
///
/// Both arms reach their full colour whatever the centre, so that the difference to it shows.
pub fn diverging(value: f64, centre: f64) -> Rgb {
    if value.is_nan() || centre.is_nan() {
        return GREY;
    }
    let difference = unit(value) - unit(centre);
    if difference >= 0.0 {
        mix(GREY, BLUE, difference / (1.0 - unit(centre)).max(1e-9))
    } else {
        mix(GREY, ORANGE, -difference / unit(centre).max(1e-9))
    }
}

/// Black or white, whichever reads better on this background: at least 4.5 to 1, which a softer black does not reach everywhere.
pub fn ink_on(background: Rgb) -> Rgb {
    let [black, white] = [[0; 3], [255; 3]];
    if contrast(background, black) >= contrast(background, white) { black } else { white }
}

/// How well two colours stand out from each other, from 1 to 21: the contrast ratio of WCAG 2.
pub fn contrast(a: Rgb, b: Rgb) -> f64 {
    let luminance = |color: Rgb| {
        let [r, g, b] = color.map(linear);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// `#rrggbb`.
pub fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A colour between two, mixed in OKLab so that steps look even (Ottosson 2020).
pub fn mix(from: Rgb, to: Rgb, share: f64) -> Rgb {
    let (a, b, share) = (to_oklab(from), to_oklab(to), unit(share));
    from_oklab([0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * share))
}

fn unit(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

fn linear(channel: u8) -> f64 {
    let value = f64::from(channel) / 255.0;
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn encoded(value: f64) -> u8 {
    let value = value.clamp(0.0, 1.0);
    let value = if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0).round() as u8
}

fn to_oklab(color: Rgb) -> [f64; 3] {
    let [r, g, b] = color.map(linear);
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    [
        0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
        1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
        0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
    ]
}

fn from_oklab([lightness, a, b]: [f64; 3]) -> Rgb {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        encoded(4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s),
        encoded(-1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s),
        encoded(-0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diverging_turns_at_its_centre_and_reaches_both_ends() {
        assert_eq!(diverging(0.8, 0.8), GREY);
        assert_eq!(diverging(0.0, 0.8), ORANGE);
        assert_eq!(diverging(1.0, 0.8), BLUE);
        assert_eq!(diverging(1.0, 1.0), GREY);
        assert_eq!(diverging(f64::NAN, 0.8), GREY);
    }

    #[test]
    fn sequential_only_gets_lighter() {
        let lightness: Vec<f64> = (0..=40).map(|i| to_oklab(sequential(f64::from(i) / 40.0))[0]).collect();
        assert!(lightness.windows(2).all(|pair| pair[0] < pair[1]), "{lightness:?}");
        assert_eq!(sequential(-1.0), VIRIDIS[0]);
        assert_eq!(sequential(2.0), VIRIDIS[8]);
    }

    #[test]
    fn every_map_of_weights_gets_lighter_and_has_its_name() {
        for map in Map::ALL {
            let lightness = |i: u8| to_oklab(map.color(f64::from(i) / 40.0))[0];
            assert!((0..40).all(|i| lightness(i) < lightness(i + 1) + 1e-3), "{}", map.name());
        }
        assert_eq!(Map::Inferno.color(1.0), INFERNO[8]);
        assert_eq!(Map::Grey.color(f64::NAN), [0; 3]);
    }

    #[test]
    fn a_hundred_and_twenty_classes_have_colours_of_their_own() {
        assert_eq!(categorical(0), [230, 159, 0]);
        let colors: Vec<[f64; 3]> = (0..120).map(|i| to_oklab(categorical(i))).collect();
        let distance = |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
        for i in 0..120 {
            assert!(colors[i][0] > 0.45, "{i} shows on a dark window");
            for j in 0..i {
                assert!(distance(&colors[i], &colors[j]) > 0.02, "{i} and {j}");
            }
            let next = (i + 1) % 120;
            assert!(distance(&colors[i], &colors[next]) > 0.1, "{i} and its neighbour");
        }
    }

    #[test]
    fn a_strip_runs_from_left_to_right() {
        let strip = strip(64, 3, |v| Map::Grey.color(v));
        assert_eq!((strip.get_pixel(0, 0).0, strip.get_pixel(63, 2).0), ([0; 3], [255; 3]));
    }

    #[test]
    fn a_mix_with_itself_is_itself() {
        for color in VIRIDIS {
            assert_eq!(mix(color, color, 0.3), color);
        }
    }

    #[test]
    fn ink_contrasts_with_its_background() {
        assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9 && contrast([9, 8, 7], [9, 8, 7]) == 1.0);
        assert_eq!([ink_on([250, 250, 250]), ink_on([20, 20, 90])], [[0; 3], [255; 3]]);
        for i in 0..=100 {
            let value = f64::from(i) / 100.0;
            for color in [diverging(value, 0.5), sequential(value)] {
                assert!(contrast(color, ink_on(color)) >= 4.5, "{color:?}");
            }
        }
        assert_eq!(hex([0, 255, 10]), "#00ff0a");
    }
}
