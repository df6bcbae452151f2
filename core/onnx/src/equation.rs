//! Equations of `Einsum`, every axis by a letter of its own.

/// `ij,jk->ik`: the axes of each operand and of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Equation {
    pub operands: Vec<Vec<char>>,
    pub result: Vec<char>,
}

impl Equation {
    /// Reads an equation for operands of these ranks. An ellipsis becomes letters that the equation does not use, those of all
    /// operands aligned at their ends; a result that is not written is every letter that occurs once, in order.
    ///
    /// # Errors
    /// If it does not fit the operands.
    pub fn read(text: &str, ranks: &[usize]) -> Result<Self, String> {
        let wrong = || format!("the equation `{text}` does not fit operands of {ranks:?} axes");
        let plain: String = text.split_whitespace().collect();
        let (terms, result) = plain.split_once("->").map_or((plain.as_str(), None), |(terms, to)| (terms, Some(to)));
        let terms: Vec<&str> = terms.split(',').collect();
        if terms.len() != ranks.len() {
            return Err(wrong());
        }
        let named = |term: &str| term.chars().filter(char::is_ascii_alphabetic).count();
        let open = terms.iter().zip(ranks).filter(|(term, _)| term.contains("..."));
        let open = open.map(|(term, rank)| rank.checked_sub(named(term))).collect::<Option<Vec<usize>>>();
        let n_open = open.ok_or_else(wrong)?.into_iter().max().unwrap_or(0);
        let unused = ('a'..='z').chain('A'..='Z').filter(|letter| !plain.contains(*letter));
        let ellipsis: Vec<char> = unused.take(n_open).collect();
        let letters = |term: &str, rank: Option<usize>| -> Option<Vec<char>> {
            let n = rank.map_or(n_open, |rank| rank.saturating_sub(named(term)));
            let here: String = ellipsis[n_open.checked_sub(n)?..].iter().collect();
            let here = if term.contains("...") { here } else { String::new() };
            let letters: Vec<char> = term.replacen("...", &here, 1).chars().collect();
            let fits = rank.is_none_or(|rank| rank == letters.len());
            (fits && letters.iter().all(char::is_ascii_alphabetic)).then_some(letters)
        };
        let operands = terms.iter().zip(ranks).map(|(term, &rank)| letters(term, Some(rank)));
        let operands: Vec<Vec<char>> = operands.collect::<Option<_>>().ok_or_else(wrong)?;
        let count = |letter: char| operands.iter().flatten().filter(|&&other| other == letter).count();
        let result = match result {
            Some(result) => letters(result, None).ok_or_else(wrong)?,
            None => {
                let mut once: Vec<char> = operands.iter().flatten().copied().filter(|&l| count(l) == 1).collect();
                once.retain(|letter| !ellipsis.contains(letter));
                once.sort_unstable();
                [ellipsis, once].concat()
            }
        };
        match result.iter().all(|&letter| count(letter) > 0) {
            true => Ok(Self { operands, result }),
            false => Err(wrong()),
        }
    }

    /// The equation as text.
    pub fn write(operands: &[Vec<char>], result: &[char]) -> String {
        let terms: Vec<String> = operands.iter().map(|term| term.iter().collect()).collect();
        format!("{}->{}", terms.join(","), result.iter().collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, ranks: &[usize]) -> Option<String> {
        Equation::read(text, ranks).ok().map(|equation| Equation::write(&equation.operands, &equation.result))
    }

    #[test]
    fn every_axis_has_a_letter() {
        assert_eq!(read("ij, jk -> ik", &[2, 2]).as_deref(), Some("ij,jk->ik"));
        assert_eq!(read("kj,ji", &[2, 2]).as_deref(), Some("kj,ji->ik"), "letters that occur once, in order");
        assert_eq!(read("...ij,...jk->...ik", &[4, 3]).as_deref(), Some("abij,bjk->abik"));
        assert_eq!(read("a...,b", &[3, 1]).as_deref(), Some("acd,b->cdab"));
        assert_eq!(read("...->...", &[0]).as_deref(), Some("->"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (text, ranks) in
            [("ij,jk->ik", &[2, 3][..]), ("ij->ik", &[2]), ("ij,jk->ik", &[2]), ("i1->i", &[2]), ("...ij->ij", &[1])]
        {
            assert_eq!(read(text, ranks), None, "{text}");
        }
    }
}
