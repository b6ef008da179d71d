//! Which Redis the environment names.

use crate::error::BrokerError;

/// The variable that names the Redis, and what it says; the default if none does.
#[cfg(feature = "redis")]
pub(super) fn redis_url(read: impl Fn(&str) -> Option<String>) -> Result<(String, String), EnvironmentError> {
    let default = || ("the default".to_owned(), "redis://127.0.0.1:6379/0".to_owned());
    Ok(redis_of_environment(read)?.unwrap_or_else(default))
}

/// The variable that names the Redis, and what it says, if there is one.
#[cfg(feature = "redis")]
pub(crate) fn redis_of_environment(
    read: impl Fn(&str) -> Option<String>,
) -> Result<Option<(String, String)>, EnvironmentError> {
    let full = |variable: &str| match read(variable) {
        Some(value) if value.trim().is_empty() => Err(EnvironmentError::Empty { variable: variable.to_owned() }),
        value => Ok(value),
    };
    if let Some(url) = full("KIQ_REDIS_URL")? {
        return Ok(Some(("KIQ_REDIS_URL".to_owned(), url)));
    }
    for provider in ["KIQ_REDIS_PROVIDER", "REDIS_PROVIDER"] {
        let Some(name) = full(provider)? else { continue };
        let (provider, name) = (provider.to_owned(), name.trim().to_owned());
        if name.contains(':') {
            return Err(EnvironmentError::ProviderHoldsUrl { provider });
        }
        return match full(&name)? {
            Some(url) => Ok(Some((name, url))),
            None => Err(EnvironmentError::ProviderUnset { provider, variable: name }),
        };
    }
    Ok(full("REDIS_URL")?.map(|url| ("REDIS_URL".to_owned(), url)))
}

/// The environment does not name a Redis that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A variable is set to nothing.
    #[error("{variable} is set but empty; unset it or give it an address like redis://127.0.0.1:6379/0")]
    Empty {
        /// The variable.
        variable: String,
    },
    /// `KIQ_REDIS_PROVIDER` or `REDIS_PROVIDER` holds an address.
    #[error("{provider} must hold the name of a variable, not an address; put the address into REDIS_URL")]
    ProviderHoldsUrl {
        /// Which of the two.
        provider: String,
    },
    /// `KIQ_REDIS_PROVIDER` or `REDIS_PROVIDER` names a variable that is not there.
    #[error("{provider} names {variable}, and that variable is not set")]
    ProviderUnset {
        /// Which of the two.
        provider: String,
        /// The variable.
        variable: String,
    },
    /// A variable holds no address.
    #[error("{variable}: {source}")]
    BadUrl {
        /// The variable.
        variable: String,
        /// What is wrong with it.
        source: BrokerError,
    },
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;

    fn url(variables: &[(&str, &str)]) -> Result<(String, String), EnvironmentError> {
        redis_url(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_environment_names_a_redis_in_five_ways() {
        let found = |variables: &[(&str, &str)]| url(variables).unwrap().1;
        assert_eq!(found(&[("KIQ_REDIS_URL", "a"), ("REDIS_PROVIDER", "X"), ("REDIS_URL", "c")]), "a");
        assert_eq!(found(&[("REDIS_PROVIDER", "X"), ("X", "b"), ("REDIS_URL", "c")]), "b");
        let both = [("KIQ_REDIS_PROVIDER", "X"), ("REDIS_PROVIDER", "Y"), ("X", "b"), ("Y", "d")];
        assert_eq!(found(&both), "b");
        assert_eq!(found(&[("REDIS_URL", "c")]), "c");
        assert_eq!(found(&[]), "redis://127.0.0.1:6379/0");
    }

    #[test]
    fn an_environment_that_names_none_says_what_is_wrong() {
        let says = |variables: &[(&str, &str)]| url(variables).unwrap_err().to_string();
        assert!(says(&[("REDIS_URL", " \n")]).starts_with("REDIS_URL is set but empty"));
        assert!(says(&[("REDIS_PROVIDER", "redis://h")]).contains("name of a variable, not an address"));
        assert_eq!(
            says(&[("KIQ_REDIS_PROVIDER", "X"), ("REDIS_URL", "c")]),
            "KIQ_REDIS_PROVIDER names X, and that variable is not set"
        );
        assert_eq!(says(&[("REDIS_PROVIDER", "X")]), "REDIS_PROVIDER names X, and that variable is not set");
    }
}
