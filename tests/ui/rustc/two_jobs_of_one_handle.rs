#![allow(unused)]

#[kiq::job]
async fn send_mail() {}

#[kiq::job(name = "OtherMail", handle = SendMail)]
async fn send_other_mail() {}

fn main() {}
