//! Codes as QR pictures: raw bytes, error correction level L, as small as they go.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

use super::{Code, CodeError};

/// Light modules around the picture, which readers need.
const QUIET: i32 = 4;
/// Pixels of a module in a PNG: sharp on a screen, small in a file.
const PNG_MODULE_PIXELS: i32 = 8;

/// A code as a picture. It is as secret as the code.
#[derive(Clone)]
pub struct Qr {
    code: QrCode,
}

impl std::fmt::Debug for Qr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Qr(version {})", self.version())
    }
}

impl Code {
    /// As a QR picture of its raw bytes; whoever reads it gives them to [`Code::from_bytes`].
    ///
    /// # Errors
    /// [`CodeError::Payload`] when the payload is too long.
    pub fn to_qr(&self) -> Result<Qr, CodeError> {
        // The longest code is far below what the largest QR holds.
        let code = QrCode::encode_binary(&self.to_bytes()?, QrCodeEcc::Low).map_err(|_| CodeError::Long)?;
        Ok(Qr { code })
    }
}

impl Qr {
    /// Its size class, 1 to 40: a side has 17 and four times as many modules.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.code.version().value()
    }

    /// For a terminal: two modules to a character, dark on light. Light is drawn and dark is left out, so it reads
    /// right on a dark terminal; `inverted` is for a light one.
    #[must_use]
    pub fn to_text(&self, inverted: bool) -> String {
        let mut text = String::new();
        let drawn = |x, y| self.code.get_module(x, y) == inverted;
        for y in self.span().step_by(2) {
            for x in self.span() {
                text.push(match (drawn(x, y), drawn(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            text.push('\n');
        }
        text
    }

    /// As an SVG image, black on white.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let side = self.code.size() + 2 * QUIET;
        let mut path = String::new();
        for (x, y) in self.dark() {
            // Writing to a string cannot fail.
            let _ = write!(path, "M{},{}h1v1h-1z", x + QUIET, y + QUIET);
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>\n"
        )
    }

    /// As a PNG image, black on white.
    ///
    /// # Errors
    /// Never: only the encoder's signature has one.
    pub fn to_png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let side = (self.code.size() + 2 * QUIET) * PNG_MODULE_PIXELS;
        let mut pixels = Vec::new();
        for y in 0..side {
            for x in 0..side {
                let (x, y) = (x / PNG_MODULE_PIXELS - QUIET, y / PNG_MODULE_PIXELS - QUIET);
                pixels.push(if self.code.get_module(x, y) { 0 } else { 255 });
            }
        }
        let mut file = Vec::new();
        let side = side.unsigned_abs();
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(file)
    }

    fn span(&self) -> std::ops::Range<i32> {
        -QUIET..self.code.size() + QUIET
    }

    fn dark(&self) -> impl Iterator<Item = (i32, i32)> + '_ {
        let size = self.code.size();
        (0..size)
            .flat_map(move |y| (0..size).map(move |x| (x, y)))
            .filter(|&(x, y)| self.code.get_module(x, y))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CodeKind, Credentials};
    use super::*;
    use crate::DeviceId;

    fn offer(payload: Vec<u8>) -> Code {
        Code {
            kind: CodeKind::Offer,
            device: DeviceId::from_bytes([7; 32]),
            fingerprint: std::array::from_fn(|n| n as u8 * 7),
            credentials: Credentials::from_bytes(&[9; 4], &[10; 16]),
            offerer_begins: false,
            expires_minute: 29_000_000,
            addresses: (1..=3).map(|n| ([192, 168, n, 7], 40_000).into()).collect(),
            relays: vec![],
            payload,
        }
    }

    /// A picture as a camera sees it: one byte of brightness a pixel.
    fn read(pixels: &[Vec<u8>]) -> Vec<u8> {
        let (width, height) = (pixels[0].len(), pixels.len());
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y][x]);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        let mut bytes = Vec::new();
        grids[0].decode_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_offer_is_a_small_picture_and_comes_back_from_it() {
        let (plain, with_deck) = (offer(vec![]), offer(vec![0xa5; 2 + 4 + 32 + 32]));
        let (small, large) = (plain.to_qr().unwrap(), with_deck.to_qr().unwrap());
        println!("versions {} and {}", small.version(), large.version());
        assert!(small.version() <= 6 && large.version() <= 8);
        for (code, qr) in [(plain, small), (with_deck, large)] {
            let png = qr.to_png().unwrap();
            let decoder = png::Decoder::new(std::io::Cursor::new(&png));
            let mut reader = decoder.read_info().unwrap();
            let mut buffer = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut buffer).unwrap();
            let rows: Vec<Vec<u8>> = buffer.chunks(info.width as usize).map(<[u8]>::to_vec).collect();
            assert_eq!(Code::from_bytes(&read(&rows)), Ok(code));
        }
    }

    #[test]
    fn the_terminal_and_the_svg_show_the_same_picture() {
        let code = offer(vec![]);
        let qr = code.to_qr().unwrap();
        for inverted in [false, true] {
            let mut rows: Vec<Vec<u8>> = Vec::new();
            for line in qr.to_text(inverted).lines() {
                // What is drawn shines on a dark terminal and is ink on a light one.
                let shade = |drawn: bool| if drawn != inverted { 255_u8 } else { 0 };
                let (mut upper, mut lower) = (Vec::new(), Vec::new());
                for character in line.chars() {
                    let (above, below) = match character {
                        '█' => (true, true),
                        '▀' => (true, false),
                        '▄' => (false, true),
                        _ => (false, false),
                    };
                    upper.extend([shade(above); 8]);
                    lower.extend([shade(below); 8]);
                }
                rows.extend(std::iter::repeat_n(upper, 8).chain(std::iter::repeat_n(lower, 8)));
            }
            assert_eq!(Code::from_bytes(&read(&rows)), Ok(code.clone()));
        }
        let svg = qr.to_svg();
        let side = qr.code.size() as usize + 8;
        let mut rows = vec![vec![255_u8; side * 8]; side * 8];
        let path = svg.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
        for module in path.split('M').filter(|module| !module.is_empty()) {
            let (x, y) = module.split_once('h').unwrap().0.split_once(',').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            rows[y * 8..y * 8 + 8]
                .iter_mut()
                .for_each(|row| row[x * 8..x * 8 + 8].fill(0));
        }
        assert_eq!(Code::from_bytes(&read(&rows)), Ok(code));
    }
}
