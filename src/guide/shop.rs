// The shop of the guide `idempotency.md`: a database, a payment service and a mail service, in memory, each of which can be told
// to break once. Included into the guide's examples.
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Down(&'static str);

#[derive(Clone, Debug, Default)]
struct Order {
    charge: Option<u64>,
    mail: Option<u64>,
}

#[derive(Default)]
struct Inside {
    order: Order,
    /// Charges that took effect: their keys and numbers.
    charges: Vec<(Option<String>, u64)>,
    /// Mails that went out: what they are about.
    mails: BTreeMap<u64, String>,
    breaks_at: Option<&'static str>,
}

#[derive(Default)]
struct Shop(Mutex<Inside>);

impl Shop {
    /// A shop where one thing breaks, once: `"charge: answer lost"`, `"charge"`, `"save"`, `"mail: answer lost"` or `"mail"`.
    fn that_breaks_at(place: &'static str) -> Self {
        let shop = Shop::default();
        shop.inside().breaks_at = Some(place);
        shop
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn break_at(&self, place: &'static str) -> Result<(), Down> {
        let mut inside = self.inside();
        match inside.breaks_at {
            Some(breaks) if breaks == place => {
                inside.breaks_at = None;
                Err(Down(place))
            }
            _ => Ok(()),
        }
    }

    async fn order(&self, _id: u64) -> Order {
        self.inside().order.clone()
    }

    async fn save(&self, order: &Order) -> Result<(), Down> {
        self.break_at("save")?;
        self.inside().order = order.clone();
        Ok(())
    }

    /// Charges the card. Two charges of one key are one.
    async fn charge(&self, key: Option<String>) -> Result<u64, Down> {
        self.break_at("charge")?;
        let number = {
            let mut inside = self.inside();
            let known = inside.charges.iter().find(|(other, _)| key.is_some() && *other == key).map(|(_, number)| *number);
            let number = known.unwrap_or(inside.charges.len() as u64 + 1);
            if known.is_none() {
                inside.charges.push((key, number));
            }
            number
        };
        self.break_at("charge: answer lost")?;
        Ok(number)
    }

    /// Sends a mail. This service knows no keys.
    async fn mail(&self, about: &str) -> Result<u64, Down> {
        self.break_at("mail")?;
        let number = {
            let mut inside = self.inside();
            let number = inside.mails.len() as u64 + 1;
            inside.mails.insert(number, about.to_owned());
            number
        };
        self.break_at("mail: answer lost")?;
        Ok(number)
    }

    /// The mail that went out about something, if one did.
    async fn sent(&self, about: &str) -> Option<u64> {
        self.inside().mails.iter().find(|(_, other)| *other == about).map(|(number, _)| *number)
    }

    /// How often the card was charged, and how many mails went out.
    fn effects(&self) -> (usize, usize) {
        let inside = self.inside();
        (inside.charges.len(), inside.mails.len())
    }
}

const FAULTS: [&str; 6] = ["nothing", "charge", "charge: answer lost", "save", "mail", "mail: answer lost"];

/// Runs a job's function as a worker would: again until it succeeds, and then once more, as a job that ran to its end and whose
/// process died before it could say so. Answers the effects for each thing that can break.
macro_rules! effects_of {
    ($job:ident) => {{
        let mut effects = Vec::new();
        for fault in FAULTS {
            let shop = kiq::Data::new(Shop::that_breaks_at(fault));
            let cx = kiq::JobContext::detached();
            while $job(1234, shop.clone(), &cx).await.is_err() {}
            while $job(1234, shop.clone(), &cx).await.is_err() {}
            effects.push((fault, shop.effects()));
        }
        effects
    }};
}
