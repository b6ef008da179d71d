//! Names: of the struct beside the function, of the job on the wire, of a queue.

/// `complete_order` → `CompleteOrder`.
pub(crate) fn camel_case(function: &str) -> String {
    let mut name = String::with_capacity(function.len());
    for word in function.split('_') {
        let mut letters = word.chars();
        if let Some(first) = letters.next() {
            name.extend(first.to_uppercase());
            name.push_str(letters.as_str());
        }
    }
    name
}

/// What [`is_job_name`] asks for.
pub(crate) const JOB_NAME_RULE: &str =
    "a job name is one or more parts joined by `::`, each an upper-case letter and then letters, digits and `_`";

/// Whether Sidekiq can look the name up as a constant and show it under an address of its own.
///
/// The runtime has the same rule for names that are no literals (`kiq_runtime::private::check_name`).
pub(crate) fn is_job_name(name: &str) -> bool {
    name.split("::").all(|part| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// What is wrong with a queue name; the rule of `kiq_runtime::job::options::queue_name_fault`.
pub(crate) fn queue_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("queue name must not be empty".to_owned());
    }
    if name.len() > 128 {
        return Some("queue name must not be longer than 128 bytes".to_owned());
    }
    let wrong = name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')))?;
    Some(format!("queue name must not contain {wrong:?}"))
}

/// `mail-out` → `MAIL_OUT`.
pub(crate) fn constant(queue: &str) -> String {
    let mut name: String =
        queue.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
        name.insert(0, 'Q');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_s_name_becomes_a_type_s_name() {
        assert_eq!(camel_case("complete_order"), "CompleteOrder");
        assert_eq!(camel_case("_x"), "X");
        assert_eq!(camel_case("send_2fa"), "Send2fa");
        assert_eq!(camel_case("a__b_"), "AB");
        assert_eq!(camel_case("sync_HTTP"), "SyncHTTP");
        assert_eq!(camel_case("___"), "");
    }

    #[test]
    fn job_names_are_what_ruby_can_look_up() {
        for good in ["A", "Pdf::RenderJob", "A2_b"] {
            assert!(is_job_name(good), "{good}");
        }
        for bad in ["", "a", "A::", "::A", "A:B", "A|B", "A/B", "A::2", "Ä"] {
            assert!(!is_job_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_queue_s_name_becomes_a_constant_s_name() {
        assert_eq!(constant("high"), "HIGH");
        assert_eq!(constant("mail-out.2:x"), "MAIL_OUT_2_X");
        assert_eq!(constant("2nd"), "Q2ND");
        assert_eq!(constant("_"), "Q_");
    }

    #[test]
    fn a_queue_name_has_an_address_in_the_web_pages() {
        assert_eq!(queue_fault("a-Z_0.9:x"), None);
        assert_eq!(queue_fault("a/b").as_deref(), Some("queue name must not contain '/'"));
    }
}
