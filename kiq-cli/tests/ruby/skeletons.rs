/// Billing::ChargeCard of Ruby, as 2 of its jobs were found. Name the arguments, and check their types.
#[kiq::job(name = "Billing::ChargeCard", queue = "mail")]
pub async fn charge_card(arg1: u64, arg2: String, arg3: Option<serde_json::Map<String, serde_json::Value>>, arg4: i64, arg5: f64, #[arg(default)] arg6: Option<bool>) {
    let _ = arg1;
    let _ = arg2;
    let _ = arg3;
    let _ = arg4;
    let _ = arg5;
    let _ = arg6;
    unimplemented!("Billing::ChargeCard is not written yet")
}

/// Billing::Refund of Ruby, as 2 of its jobs were found. Name the arguments, and check their types.
#[kiq::job(name = "Billing::Refund", queue = "low")]
pub async fn refund(arg1: Box<serde_json::value::RawValue>, arg2: Vec<Option<u64>>, arg3: Vec<String>, arg4: serde_json::Value) {
    let _ = arg1;
    let _ = arg2;
    let _ = arg3;
    let _ = arg4;
    unimplemented!("Billing::Refund is not written yet")
}

/// ChargeCard of Ruby, as 1 of its jobs were found. Name the arguments, and check their types.
#[kiq::job(name = "ChargeCard", queue = "default")]
pub async fn charge_card_too(arg1: String) {
    let _ = arg1;
    unimplemented!("ChargeCard is not written yet")
}

/// HTTPPing of Ruby, as 1 of its jobs were found. Name the arguments, and check their types.
#[kiq::job(name = "HTTPPing", queue = "default")]
pub async fn http_ping() {
    unimplemented!("HTTPPing is not written yet")
}

/// Main of Ruby, as 1 of its jobs were found. Name the arguments, and check their types.
#[kiq::job(name = "Main", queue = "q-1.a:b")]
pub async fn main_job(arg1: Option<serde_json::Value>) {
    let _ = arg1;
    unimplemented!("Main is not written yet")
}

/// Match of Ruby, as 1 of its jobs were found. Name the arguments, and check their types.
#[kiq::job(name = "Match", queue = "default")]
pub async fn match_job(arg1: Vec<Vec<f64>>, arg2: serde_json::Map<String, serde_json::Value>) {
    let _ = arg1;
    let _ = arg2;
    unimplemented!("Match is not written yet")
}

/// Other::ChargeCard of Ruby, as 1 of its jobs were found. Name the arguments, and check their types.
#[kiq::job(name = "Other::ChargeCard", queue = "default")]
pub async fn other_charge_card(arg1: u64) {
    let _ = arg1;
    unimplemented!("Other::ChargeCard is not written yet")
}

/// WelcomeMail of Ruby, as 1 of its jobs were found. Name the arguments, and check their types.
#[kiq::job(name = "WelcomeMail", queue = "mail")]
pub async fn welcome_mail(arg1: u64, arg2: serde_json::Map<String, serde_json::Value>, arg3: Vec<serde_json::Map<String, serde_json::Value>>) {
    let _ = arg1;
    let _ = arg2;
    let _ = arg3;
    unimplemented!("WelcomeMail is not written yet")
}

// Left out: "no::class" in queue "default" cannot be a job of Rust.

