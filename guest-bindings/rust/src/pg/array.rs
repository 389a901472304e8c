//! Arrays of any number of dimensions; one of a single dimension is a `Vec`.

use super::convert::elements;
use super::{ArrayValue, Dimension, FromPg, Mismatch, PgValue, RawValue, Scalar, ToPg, WireValue};

/// An array with its dimensions. A matrix, for example:
///
/// ```
/// use wharf_guest::pg::{Array, Dimension, ToPg};
///
/// let side = Dimension { length: 2, lower_bound: 1 };
/// let matrix = Array { dimensions: vec![side, side], elements: vec![1, 0, 0, 1] };
/// matrix.to_pg(); // {{1,0},{0,1}}
/// ```
///
/// As a parameter a `Vec` of `Vec`s does the same.
#[derive(Debug, Clone)]
pub struct Array<T> {
    /// Outermost first; none for an empty array. As a parameter, none stands for one dimension from 1.
    pub dimensions: Vec<Dimension>,
    /// Row by row: the last dimension varies fastest. As many as the product of the dimensions' lengths.
    pub elements: Vec<T>,
}

impl<T: ToPg> ToPg for Array<T> {
    fn to_pg(&self) -> PgValue {
        let elements = self.elements.iter().map(|element| part(element)).collect();
        PgValue::Array(ArrayValue { element_oid: 0, dimensions: self.dimensions.clone(), elements })
    }
}

impl<T: FromPg> FromPg for Array<T> {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match value {
            PgValue::Array(array) => {
                let elements = array.elements.into_iter().map(|element| T::from_pg(PgValue::Scalar(element)));
                Ok(Self { dimensions: array.dimensions, elements: elements.collect::<Result<_, _>>()? })
            }
            PgValue::Scalar(Scalar::Raw(raw)) => Self::from_wire(WireValue::from(&raw)),
            other => Err(Mismatch::new("Array", &other)),
        }
    }

    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        let mut elements = elements(value).ok_or_else(|| value.mismatch("Array"))?;
        let dimensions = std::mem::take(&mut elements.dimensions);
        Ok(Self { dimensions, elements: elements.map(T::from_wire).collect::<Result<_, _>>()? })
    }
}

/// A part of an array or a range, which the contract wants to be neither.
pub(super) fn part(value: &impl ToPg) -> Scalar {
    match value.to_pg() {
        PgValue::Scalar(scalar) => scalar,
        PgValue::Array(_) | PgValue::Range(_) => misfit(),
    }
}

/// What no type takes: the host refuses the parameter that has it.
pub(super) fn misfit() -> Scalar {
    Scalar::Raw(RawValue { type_oid: u32::MAX, bytes: Vec::new() })
}
