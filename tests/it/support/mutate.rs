//! Octets changed at random, the same way for the same seed on every machine.

/// A stream of numbers that a seed decides (SplitMix64).
pub struct Chance(u64);

impl Chance {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number under `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("a length");
        usize::try_from(self.next() % bound).expect("less than a length")
    }

    fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// What parsers have stumbled over.
const TROUBLE: [&[u8]; 34] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r.\r",
    b"\r\n.",
    b"\0",
    b" ",
    b"\t",
    b"\r\n ",
    b":",
    b"<",
    b">",
    b"\"",
    b"\\",
    b"(",
    b"@",
    b",",
    b";",
    b"=",
    b"=?utf-8?B?",
    b"?=",
    b"=?utf-8?Q?=0D=0A?=",
    b"--",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
    b"\r\nContent-Transfer-Encoding: base64\r\n",
    b"\r\n\r\n",
    b"STARTTLS\r\n",
    b"BDAT 10 LAST\r\n",
];

/// Longest input that is made.
const LONGEST: usize = 32 * 1024;

/// One of the seeds, changed in one to eight places.
pub fn mutated(seeds: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut octets = seeds[chance.below(seeds.len())].clone();
    octets.truncate(LONGEST);
    for _ in 0..=chance.below(8) {
        change(&mut octets, seeds, chance);
    }
    octets.truncate(LONGEST);
    octets
}

fn change(octets: &mut Vec<u8>, seeds: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.below(octets.len() + 1);
    let end = at + chance.below((octets.len() - at).min(64) + 1);
    match chance.below(6) {
        0 if at < octets.len() => octets[at] = u8::try_from(chance.below(256)).expect("an octet"),
        1 => drop(octets.drain(at..end)),
        2 => {
            let again = octets[at..end].repeat(1 + chance.below(20));
            octets.splice(at..at, again);
        }
        3 => {
            let other = &seeds[chance.below(seeds.len())];
            let from = chance.below(other.len() + 1);
            octets.splice(at..end, other[from..].iter().take(512).copied());
        }
        4 => octets.truncate(at.max(1)),
        _ => {
            let trouble = chance.one_of(&TROUBLE).repeat(1 + chance.below(3));
            octets.splice(at..at, trouble);
        }
    }
}
