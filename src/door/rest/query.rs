//! The parameters behind a path's `?`, read one by one; what nobody asked for is a typo, and refused by its name.

use std::fmt::Display;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::problem::{Details, Problem};

/// The parameters that are not read yet.
#[derive(Debug)]
pub struct Parameters {
    left: Vec<(String, String)>,
    faults: Details,
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) {
            Ok(Query(left)) => Ok(Self { left, faults: Details::default() }),
            Err(_) => Err(Problem::Malformed("The query can't be read".to_owned())),
        }
    }
}

impl Parameters {
    /// The text of this parameter. One that is empty says nothing; one that stands twice says too much.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        let mut found = self.left.extract_if(.., |(other, _)| other == name).map(|(_, value)| value);
        let first = found.next();
        if found.count() > 0 {
            self.faults.add(name, "stands twice");
        }
        first.filter(|text| !text.is_empty())
    }

    /// What this parameter stands for.
    pub fn read<T, E: Display>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(name)?;
        read(&text).map_err(|fault| self.faults.add(name, fault.to_string())).ok()
    }

    /// A whole number, taken into these bounds.
    pub fn number(&mut self, name: &'static str, usual: usize, bounds: std::ops::RangeInclusive<usize>) -> usize {
        let read = self.read(name, |text| text.parse::<usize>().map_err(|_| "must be a whole number"));
        read.unwrap_or(usual).clamp(*bounds.start(), *bounds.end())
    }

    /// Says what is wrong with a parameter that was read.
    pub fn fault(&mut self, name: &'static str, text: &str) {
        self.faults.add(name, text);
    }

    /// Whether every parameter was one that is read here, and could be.
    pub fn end(mut self) -> Result<(), Problem> {
        for (name, _) in self.left {
            self.faults.add(name, "is no parameter of this path");
        }
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults.into()) }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn parameters(query: &str) -> Parameters {
        let mut parts = Request::get(format!("/x?{query}")).body(()).unwrap().into_parts().0;
        Parameters::from_request_parts(&mut parts, &()).await.expect("parameters")
    }

    #[tokio::test]
    async fn parameters_are_read_and_numbers_bounded() {
        let mut read = parameters("page=3&per_page=500&search=J%C3%B6rg+x&empty=").await;
        assert_eq!((read.number("page", 1, 1..=usize::MAX), read.number("per_page", 25, 1..=100)), (3, 100));
        assert_eq!(read.text("search").as_deref(), Some("J\u{f6}rg x"));
        assert_eq!((read.text("empty"), read.number("absent", 7, 1..=9)), (None, 7));
        assert_eq!(read.end(), Ok(()));
    }

    #[tokio::test]
    async fn what_is_no_parameter_is_named() {
        for (query, name) in [("pgae=1", "pgae"), ("page=1&page=2", "page"), ("page=-1", "page"), ("page=x", "page")] {
            let mut read = parameters(query).await;
            read.number("page", 1, 1..=usize::MAX);
            let Err(Problem::Invalid(details)) = read.end() else { panic!("{query}") };
            let shown = serde_json::to_value(details).expect("details");
            assert_eq!(shown.as_object().expect("an object").keys().collect::<Vec<_>>(), [name], "{query}");
        }
    }
}
