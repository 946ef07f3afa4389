use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use jangteo_loadtest::{Crowd, Mix, Progress, Record, SendError, Wire, send};

fn crowd(opens_in_ms: u64) -> Crowd {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let opens_at_ms = u64::try_from(now_ms).unwrap() + opens_in_ms;
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    Crowd { customers: 1_000, ..Crowd::new("d-1", "onion", opens_at_ms, nobody, nobody) }
}

fn play(crowd: &Crowd, progress: &Progress) -> Result<Record, SendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(send(crowd, progress))
}

fn refused(crowd: &Crowd) -> SendError {
    play(crowd, &Progress::default()).unwrap_err()
}

#[test]
fn a_crowd_that_contradicts_itself_is_not_sent() {
    let good = crowd(60_000);
    let mix = good.mix;
    let bad = [
        Crowd { customers: 0, ..good.clone() },
        Crowd { customers: 100_000_000, ..good.clone() },
        Crowd { resp_connections: 0, ..good.clone() },
        Crowd { baskets: Vec::new(), ..good.clone() },
        Crowd { mix: Mix { early: 51, ..mix }, ..good.clone() },
        Crowd { mix: Mix { http: 101, ..mix }, ..good.clone() },
        Crowd { mix: Mix { abandon: 60, new_key: 60, ..mix }, ..good },
    ];
    for crowd in bad {
        assert!(matches!(refused(&crowd), SendError::BadCrowd(_)), "{crowd:?}");
    }
}

#[test]
fn an_opening_in_the_past_is_too_late() {
    let past = Crowd { opens_at_ms: 1_588_122_000_000, ..crowd(0) };
    assert!(matches!(refused(&past), SendError::TooLate));
}

#[test]
fn an_address_nobody_listens_on_is_named() {
    let crowd = crowd(60_000);
    match refused(&crowd) {
        SendError::Connect { wire: Wire::Resp, address, .. } => assert_eq!(address, crowd.resp),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_crowd_goes_on_sending_though_nothing_is_answered() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let good = crowd(3_000);
    let mix = Mix { http: 0, double_click: 0, ..good.mix };
    let crowd = Crowd { resp: address, http: address, mix, give_up_after_ms: 1_000, ..good };
    let progress = Progress::default();
    let record = play(&crowd, &progress).unwrap();

    let sent = progress.now().sent;
    assert!(sent >= 530, "the early birds and half the crowd: {sent}");
    assert_eq!(record.unanswered, sent);
    assert_eq!(record.doubts.len() as u64, sent, "each may have been granted");
    assert_eq!(record.empty_handed, 1_000);
    assert!(record.grants.is_empty());
}
