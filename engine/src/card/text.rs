//! The texts of a card, by name.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use super::{NameError, check_name, key};

/// A text of a card: one of the two that every card has, or a further one.
///
/// A further text begins with the first characters that are put into it. [`TextField::named`] gives it by its name:
///
/// ```
/// use cuecard::card::TextField;
///
/// let hint = TextField::named("hint")?;
/// assert_eq!(hint.as_str(), "hint");
/// assert_eq!(TextField::named("back")?, TextField::Back);
/// # Ok::<(), cuecard::card::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextField {
    /// The question.
    Front,
    /// The answer.
    Back,
    /// A further text.
    Named(TextName),
}

impl TextField {
    /// The text of that name.
    ///
    /// # Errors
    /// If a text cannot have the name.
    pub fn named(name: &str) -> Result<Self, NameError> {
        match name {
            key::FRONT => Ok(Self::Front),
            key::BACK => Ok(Self::Back),
            _ => TextName::new(name).map(Self::Named),
        }
    }

    /// Its name: in the document, and in a history.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Front => key::FRONT,
            Self::Back => key::BACK,
            Self::Named(name) => name.as_str(),
        }
    }
}

impl From<TextName> for TextField {
    fn from(name: TextName) -> Self {
        Self::Named(name)
    }
}

impl fmt::Display for TextField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TextField {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::named(name)
    }
}

/// The name of a further text: short, visible, and not that of a text which every card has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextName(String);

impl TextName {
    /// A name for a further text.
    ///
    /// # Errors
    /// If it is empty, longer than 256 bytes, hides characters, or is `front` or `back`.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_name(name)?;
        match name {
            key::FRONT | key::BACK => Err(NameError::Taken),
            _ => Ok(Self(name.to_owned())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// So that `card.texts["hint"]` finds it; names are ordered as their letters are.
impl Borrow<str> for TextName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TextName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_text_has_a_short_visible_name_of_its_own() {
        assert_eq!(TextField::named("front"), Ok(TextField::Front));
        assert_eq!(TextName::new("front"), Err(NameError::Taken));
        assert_eq!(TextName::new("back"), Err(NameError::Taken));
        assert_eq!(TextField::named(""), Err(NameError::Empty));
        assert_eq!(TextField::named(&"x".repeat(257)), Err(NameError::TooLong));
        assert_eq!(TextField::named("a\nb"), Err(NameError::Control));
        let longest = "x".repeat(256);
        assert_eq!(TextField::named(&longest).unwrap().as_str(), longest);
    }
}
