//! {description}

/// Greets by name.
pub fn greeting(name: &str) -> String {
    format!("Hello, {name}!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_has_the_name() {
        assert_eq!(greeting("world"), "Hello, world!");
    }
}
