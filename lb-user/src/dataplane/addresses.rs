//! Which addresses are certainly nobody's: see [`lb_common::state::address`].

use anyhow::Result;
use lb_common::state::{AddressBit, ServiceKey};

use super::Kernel;

impl Kernel {
    /// Sets the bits of all installed addresses, and no others.
    pub(super) fn mark_addresses(&self) -> Result<()> {
        let mut words = vec![0; self.addresses.len()];
        for (key, _) in self.installed_services()? {
            let bit = AddressBit::of(&self.settings, key.address);
            words[bit.index as usize] |= bit.mask;
        }
        // Bits that are needed stay set all the while: an earlier run's program may be reading them.
        for (word, bits) in self.addresses.iter().zip(words) {
            word.store(bits);
        }
        Ok(())
    }

    /// Sets the bit of the address in `key`. Nobody else writes.
    pub(super) fn mark_address(&self, key: &ServiceKey) {
        let bit = AddressBit::of(&self.settings, key.address);
        if let Some(word) = self.addresses.get(bit.index as usize) {
            word.store(word.load() | bit.mask);
        }
    }
}
