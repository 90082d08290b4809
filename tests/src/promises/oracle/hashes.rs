//! What is known of the function that nobody promised anything of: whom the hash has led to.

use std::collections::HashMap;

use super::fleet::{Fleet, State, Table};
use crate::promises::event::Tuple;

/// Whose hash: a client's, or a connection's.
pub type Who = (u8, u8, Option<u8>);

/// Answers so far. The same slots give the same answer for as long as the same backends are up, however often
/// anything else was changed and changed back.
#[derive(Debug, Default)]
pub struct Hashes {
    answers: HashMap<(Who, Table, Vec<u8>), Option<u8>>,
    /// Whose slot it is: the answer when all who have slots are up.
    owners: HashMap<(Who, Table), u8>,
    /// Clients that came while slots lagged behind and half of their owners at least were up, and how many of them
    /// were dropped: each of several tries finds such an owner with a probability of a half.
    pub late: [u64; 2],
}

impl Hashes {
    /// Judges an answer; `None` is a packet that was dropped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(
        &mut self,
        fleet: &Fleet,
        tuple: Tuple,
        by_client: bool,
        to: Option<u8>,
    ) -> Result<(), String> {
        let who = (tuple.service, tuple.client, (!by_client).then_some(tuple.port));
        let table = fleet.table(tuple.service).clone();
        let is_up = |name: u8| fleet.of(tuple.service).get(&name).is_some_and(|it| it.state == State::Up);
        let up: Vec<u8> = table.iter().map(|(name, _)| *name).filter(|&name| is_up(name)).collect();
        match to {
            // So many tries without finding anybody can happen while slots lag behind.
            None if up.len() == table.len() => return Err("dropped, though every slot's owner is up".into()),
            Some(name) if !up.contains(&name) => {
                return Err(format!("went by hash to backend {name}, of {up:?} that are up and have slots"));
            }
            None | Some(_) => {}
        }
        if up.len() < table.len() && up.len() * 2 >= table.len() {
            self.late[0] += 1;
            self.late[1] += u64::from(to.is_none());
        }
        let owner = self.owners.get(&(who, table.clone())).copied();
        if let Some(owner) = owner.filter(|&owner| is_up(owner))
            && to != Some(owner)
        {
            return Err(format!("went by hash to {to:?}, and its slot is backend {owner}'s, which is up"));
        }
        if let (Some(name), true) = (to, up.len() == table.len()) {
            self.owners.insert((who, table.clone()), name);
        }
        let before = *self.answers.entry((who, table, up)).or_insert(to);
        if before != to {
            return Err(format!("went by hash to {to:?}, and to {before:?} when all was as it is now"));
        }
        Ok(())
    }
}
