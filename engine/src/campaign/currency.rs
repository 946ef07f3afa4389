//! Which currency codes there are.
//!
//! A table rather than a crate: only membership is asked for, and the table follows a rule that a
//! crate need not keep: codes are added, never removed, since a file that was good stays good.
//! Of a campaign that was recorded nobody asks.

/// ISO 4217 codes of money in circulation and of fund units, active at any time since 2020.
/// Metals, bond units and the codes for tests and for no currency are left out: nobody pays in
/// them.
const CODES: &str = "\
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN \
    BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP \
    ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR \
    ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD \
    MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR \
    PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL \
    THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF \
    XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL";

/// Whether `code` is a currency that a campaign may use.
pub(super) fn is_known(code: &str) -> bool {
    CODES.split(' ').any(|known| known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_codes_in_capitals_are_known() {
        for code in ["KRW", "AED", "ZWL", "EUR"] {
            assert!(is_known(code), "{code}");
        }
        for code in ["", "krw", "KR", "KRW ", "KRW KWD", "XXX", "XTS", "XAU", "AAA"] {
            assert!(!is_known(code), "{code}");
        }
        assert!(CODES.split(' ').all(|code| code.len() == 3));
        assert!(CODES.split(' ').is_sorted());
    }
}
