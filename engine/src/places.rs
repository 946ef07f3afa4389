//! Places in a line: how many of those who joined are still there, up to each of them. Sums over
//! prefixes in a logarithm of steps, after P. M. Fenwick, *A new data structure for cumulative
//! frequency tables*, 1994.

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<u32>);

impl Places {
    /// One more at the end; which one it is.
    pub(crate) fn push(&mut self) -> usize {
        let ordinal = self.0.len();
        let node = ordinal + 1;
        // A node stands for itself and for the nodes below it.
        let below = node & node.wrapping_neg();
        let sum = self.up_to(ordinal) - self.up_to(node - below);
        self.0.push(sum + 1);
        ordinal
    }

    pub(crate) fn remove(&mut self, ordinal: usize) {
        let mut node = ordinal + 1;
        while let Some(sum) = self.0.get_mut(node - 1) {
            *sum -= 1;
            node += node & node.wrapping_neg();
        }
    }

    /// How many of the first `count` are still there.
    pub(crate) fn up_to(&self, count: usize) -> u32 {
        let mut node = count;
        let mut sum = 0;
        while node > 0 {
            sum += self.0.get(node - 1).copied().unwrap_or(0);
            node &= node - 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_like_a_list_would() {
        for seed in 0..200_u64 {
            let (mut places, mut list) = (Places::default(), Vec::new());
            let mut random = seed;
            for _ in 0..120 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
                if random >> 62 == 0 && !list.is_empty() {
                    let there: Vec<usize> =
                        (0..list.len()).filter(|&at| list.get(at) == Some(&true)).collect();
                    let Some(&at) = there.get((random >> 40) as usize % there.len().max(1)) else {
                        continue;
                    };
                    places.remove(at);
                    list[at] = false;
                } else {
                    assert_eq!(places.push(), list.len());
                    list.push(true);
                }
                for count in 0..=list.len() {
                    let there = list.iter().take(count).filter(|is| **is).count();
                    assert_eq!(places.up_to(count) as usize, there, "seed {seed}");
                }
            }
        }
    }
}
