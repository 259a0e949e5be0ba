//! The index on its own: what is given for what, and in which order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use proptest::prelude::*;

/// `PUT /f/#1` is a shape with hole 1; `PUT /f/=x` one with the known id `x`.
fn recorded(text: &str) -> Recorded {
    let (mut shape, mut ids) = (Vec::new(), Vec::new());
    for word in text.split(' ') {
        match (word.strip_prefix('#'), word.strip_prefix('=')) {
            (Some(hole), _) => ids.push(Id::Hole(hole.parse().unwrap())),
            (_, Some(known)) => ids.push(Id::Known(known.to_owned())),
            _ => {
                shape.push(word);
                continue;
            }
        }
        shape.push("*");
    }
    Recorded { shape: shape.join(" "), ids }
}

fn entry(text: &str, turns: u32, endless: bool) -> Entry {
    Entry { request: recorded(text), shown: BTreeSet::new(), turns, endless }
}

fn posts(texts: &[&str]) -> ReplayIndex {
    ReplayIndex::new(texts.iter().map(|text| entry(text, 1, false)).collect(), Ids::default())
}

/// `PUT /f/=x` asks with the id `x`.
fn ask(index: &mut ReplayIndex, text: &str) -> Option<usize> {
    ask_with(index, text, &|_| Some(recorded("204")))
}

fn ask_with(
    index: &mut ReplayIndex,
    text: &str,
    outcome: &dyn Fn(usize) -> Option<Recorded>,
) -> Option<usize> {
    let Recorded { shape, ids } = recorded(text);
    let ids = ids.into_iter().map(|id| match id {
        Id::Known(id) => id,
        Id::Hole(_) => panic!("a request has no holes"),
    });
    index.take(&Masked { shape, ids: ids.collect() }, outcome)
}

#[test]
fn the_same_request_takes_the_answers_in_their_order_and_no_more() {
    let mut index = posts(&["POST a", "POST b", "POST a"]);
    assert_eq!(index.unused(), [0, 1, 2]);
    assert_eq!([ask(&mut index, "POST a"), ask(&mut index, "POST a")], [Some(0), Some(2)]);
    assert_eq!((ask(&mut index, "POST a"), ask(&mut index, "POST c")), (None, None));
    assert_eq!(index.unused(), [1]);
}

#[test]
fn turns_are_given_out_one_by_one_and_the_last_answer_of_a_read_repeats() {
    let entries = vec![entry("GET a", 2, true), entry("GET a", 1, true)];
    let mut index = ReplayIndex::new(entries, Ids::default());
    let given: Vec<_> = (0..5).map(|_| ask(&mut index, "GET a").unwrap()).collect();
    assert_eq!(given, [0, 0, 1, 1, 1]);
    assert!(index.unused().is_empty());
}

#[test]
fn a_made_up_id_is_bound_by_its_first_use_and_the_same_from_then_on() {
    let mut index = posts(&["PUT #1", "PUT #2", "COPY #2", "COPY #1"]);
    assert_eq!([ask(&mut index, "PUT =x"), ask(&mut index, "PUT =y")], [Some(0), Some(1)]);
    assert_eq!([ask(&mut index, "COPY =x"), ask(&mut index, "COPY =y")], [Some(3), Some(2)]);
    assert_eq!((index.bound(1), index.bound(2)), (Some("x"), Some("y")));
    assert_eq!(ask(&mut index, "COPY =z"), None);
}

#[test]
fn one_hole_has_one_value_and_one_value_one_hole() {
    let mut index = posts(&["MOVE #1 #1", "LINK #2 #3"]);
    assert_eq!(ask(&mut index, "MOVE =a =b"), None);
    assert_eq!(ask(&mut index, "LINK =a =a"), None);
    assert_eq!(ask(&mut index, "MOVE =a =a"), Some(0));
    assert_eq!(ask(&mut index, "LINK =a =b"), None);
    assert_eq!(ask(&mut index, "LINK =c =b"), Some(1));
}

#[test]
fn an_id_of_the_server_is_not_taken_for_a_made_up_one() {
    let known = HashSet::from(["statement".to_owned()]);
    let ids = Ids { known, ..Ids::default() };
    let mut index = ReplayIndex::new(vec![entry("PUT #1", 1, false)], ids);
    assert_eq!(ask(&mut index, "PUT =statement"), None);
    assert_eq!(ask(&mut index, "PUT =x"), Some(0));
}

#[test]
fn of_several_candidates_the_one_that_agrees_with_what_is_bound_comes_first() {
    let mut index = posts(&["PUT #1 #2", "PUT #3 #4", "PUT #1 #5", "MARK #3"]);
    assert_eq!(ask(&mut index, "MARK =b"), Some(3));
    assert_eq!(ask(&mut index, "PUT =b =p"), Some(1));
    assert_eq!(ask(&mut index, "PUT =a =q"), Some(0));
    assert_eq!(ask(&mut index, "PUT =a =r"), Some(2));
}

#[test]
fn tasks_that_took_each_others_place_exchange_it_when_a_later_request_tells_them_apart() {
    let mut index = posts(&[
        "PUT #1 #11",
        "PUT #2 #12",
        "PUT #3 #13",
        "COPY t1 #1 #11",
        "COPY t2 #2 #12",
        "COPY t3 #3 #13",
    ]);
    for id in ["c", "b", "a"] {
        assert!(ask(&mut index, &format!("PUT ={id} ={id}{id}")).is_some());
    }
    assert_eq!(ask(&mut index, "COPY t1 =a =aa"), Some(3));
    assert_eq!(ask(&mut index, "COPY t2 =b =bb"), Some(4));
    assert_eq!(ask(&mut index, "COPY t3 =c =cc"), Some(5));
    assert!(index.unused().is_empty());
}

#[test]
fn a_place_whose_answer_was_another_is_not_exchanged() {
    let outcome = |entry: usize| Some(recorded(&format!("answer-{entry}")));
    let mut index = posts(&["PUT #1", "PUT #2", "COPY t1 #1", "COPY t2 #2"]);
    assert_eq!(ask_with(&mut index, "PUT =b", &outcome), Some(0));
    assert_eq!(ask_with(&mut index, "COPY t2 =b", &outcome), None);
    assert_eq!(ask_with(&mut index, "COPY t1 =b", &outcome), Some(2));
}

/// Recorded with the id `a` for the hole 1, and with `b` for the hole 2.
fn with_recorded_ids(texts: &[&str]) -> ReplayIndex {
    let made_up = HashMap::from([(1, "a".to_owned()), (2, "b".to_owned())]);
    let entries = texts.iter().map(|text| entry(text, 1, text.starts_with("GET"))).collect();
    ReplayIndex::new(entries, Ids { made_up, ..Ids::default() })
}

#[test]
fn ids_that_are_the_same_in_each_run_keep_their_answers_in_any_order() {
    for verb in ["GET", "PUT"] {
        let texts = [format!("{verb} #1"), format!("{verb} #2")];
        let mut index = with_recorded_ids(&[&texts[0], &texts[1]]);
        assert_eq!(ask(&mut index, &format!("{verb} =b")), Some(1));
        assert_eq!(ask(&mut index, &format!("{verb} =a")), Some(0));
    }
    let mut index = with_recorded_ids(&["PUT #1 #3", "PUT #2 #4"]);
    assert_eq!((ask(&mut index, "PUT =b =x"), ask(&mut index, "PUT =a =y")), (Some(1), Some(0)));
}

#[test]
fn an_id_that_is_only_read_has_no_other_in_its_place() {
    let mut index = with_recorded_ids(&["GET #1", "GET #2", "PUT #2"]);
    assert_eq!(ask(&mut index, "GET =x"), Some(1), "what is written later may be made up");
    assert_eq!((ask(&mut index, "GET =y"), ask(&mut index, "GET =a")), (None, Some(0)));
}

#[test]
fn tasks_that_draw_the_recorded_ids_in_another_order_still_replay() {
    let mut index = with_recorded_ids(&["PUT #1", "PUT #2", "COPY t1 #1", "COPY t2 #2"]);
    assert_eq!((ask(&mut index, "PUT =a"), ask(&mut index, "PUT =b")), (Some(0), Some(1)));
    assert_eq!((ask(&mut index, "COPY t1 =b"), ask(&mut index, "COPY t2 =a")), (Some(2), Some(3)));
}

/// The answers to the first two entries hand out an id each: those of the holes 101 and 102.
fn handing_out(texts: &[&str]) -> ReplayIndex {
    let mut entries: Vec<Entry> = texts.iter().map(|text| entry(text, 1, false)).collect();
    entries.iter_mut().zip([101, 102]).for_each(|(entry, hole)| _ = entry.shown.insert(hole));
    let handed_out = HashMap::from([(101, "s1".to_owned()), (102, "s2".to_owned())]);
    ReplayIndex::new(entries, Ids { handed_out, ..Ids::default() })
}

fn hands_out(entry: usize) -> Option<Recorded> {
    Some(recorded(&if entry < 2 { format!("200 #{}", 101 + entry) } else { format!("200 {entry}") }))
}

#[test]
fn ids_that_were_handed_out_go_with_the_place() {
    let mut index = handing_out(&[
        "PUT #1",
        "PUT #2",
        "CLOSE #101",
        "COPY t1 #1",
        "COPY t2 #2",
        "MARK #101",
        "MARK #102",
    ]);
    let mut ask = |text: &str| ask_with(&mut index, text, &hands_out);
    assert_eq!((ask("PUT =b"), ask("PUT =a")), (Some(0), Some(1)));
    assert_eq!((ask("COPY t1 =a"), ask("COPY t2 =b")), (Some(3), Some(4)));
    // The task of `b` was given `s1`, which stands for the second id by now.
    assert_eq!((ask("MARK =s1"), ask("MARK =s2"), ask("CLOSE =s2")), (Some(6), Some(5), Some(2)));
    assert_eq!(index.unused(), [0_usize; 0]);
}

#[test]
fn an_id_that_nobody_has_seen_fills_the_place_that_was_left() {
    let mut index = handing_out(&["PUT #1", "PUT #2", "COPY t1 #1", "COPY t2 #2"]);
    assert_eq!(ask_with(&mut index, "PUT =b", &hands_out), Some(0));
    assert_eq!(ask_with(&mut index, "COPY t2 =b", &hands_out), Some(3));
    assert_eq!((index.bound(102), index.bound(101)), (Some("s1"), Some("s2")));
    assert_eq!(ask_with(&mut index, "PUT =a", &hands_out), Some(0));
}

#[test]
fn an_id_that_was_handed_out_tells_places_apart_itself() {
    let mut index = handing_out(&["PUT #1", "PUT #2", "MARK #101 t1", "MARK #102 t2"]);
    assert_eq!(ask_with(&mut index, "PUT =b", &hands_out), Some(0));
    assert_eq!(ask_with(&mut index, "MARK =s1 t2", &hands_out), Some(3));
    assert_eq!(ask_with(&mut index, "PUT =a", &hands_out), Some(0));
    assert_eq!(ask_with(&mut index, "MARK =s2 t1", &hands_out), Some(2));
    assert!(index.unused().is_empty());
}

#[test]
fn a_place_stays_when_the_id_handed_out_was_shown_elsewhere_too() {
    let mut index = handing_out(&["PUT #1", "PUT #2", "LIST", "COPY t1 #1", "COPY t2 #2"]);
    index.showers.entry(101).or_default().insert(2, 0);
    let outcome = |entry: usize| if entry == 2 { Some(recorded("200 rows #101")) } else { hands_out(entry) };
    assert_eq!(ask_with(&mut index, "PUT =b", &outcome), Some(0));
    assert_eq!(ask_with(&mut index, "LIST", &outcome), Some(2));
    assert_eq!(ask_with(&mut index, "COPY t2 =b", &outcome), None);
    assert_eq!(ask_with(&mut index, "COPY t1 =b", &outcome), Some(3));
}

#[test]
fn an_exchange_with_a_place_nobody_took_leaves_the_other_free() {
    let mut index = posts(&["PUT #1", "PUT #2", "COPY t1 #1", "COPY t2 #2"]);
    assert_eq!(ask(&mut index, "PUT =b"), Some(0));
    assert_eq!(ask(&mut index, "COPY t2 =b"), Some(3));
    assert_eq!(index.unused(), [0, 2]);
    assert_eq!([ask(&mut index, "PUT =a"), ask(&mut index, "COPY t1 =a")], [Some(0), Some(2)]);
}

#[test]
fn a_request_sent_more_often_than_recorded_does_not_use_up_what_belongs_to_another() {
    let mut index = posts(&["PUT #1", "PUT #2"]);
    assert_eq!(ask(&mut index, "PUT =a"), Some(0));
    assert_eq!(ask(&mut index, "PUT =a"), None);
    assert_eq!(ask(&mut index, "PUT =b"), Some(1));
}

#[test]
fn many_interactions_are_found_quickly() {
    const MANY: usize = 10_000;
    let texts: Vec<String> = (0..MANY).flat_map(|n| [format!("PUT #{n}"), format!("COPY #{n}")]).collect();
    let entries = texts.iter().map(|text| entry(text, 1, false)).collect();
    let mut index = ReplayIndex::new(entries, Ids::default());
    let start = std::time::Instant::now();
    for n in 0..MANY {
        assert_eq!(ask(&mut index, &format!("PUT =v{n}")), Some(2 * n));
    }
    for n in (0..MANY).rev() {
        assert_eq!(ask(&mut index, &format!("COPY =v{n}")), Some(2 * n + 1));
    }
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

/// Tasks that upload some files under ids of their own, look the same doing so, and then load them into their tables.
fn tasks(files: &[usize]) -> Vec<Vec<String>> {
    let mut hole = 0;
    let mut next = || {
        hole += 1;
        hole
    };
    let task = |(number, files): (usize, &usize)| {
        let folder = next();
        let mut steps = vec![format!("MKDIR #{folder}")];
        let parts: Vec<usize> = (0..*files).map(|_| next()).collect();
        steps.extend(parts.iter().map(|part| format!("PUT #{folder} #{part}")));
        let parts: String = parts.iter().map(|part| format!(" #{part}")).collect();
        steps.push(format!("COPY t{number} #{folder}{parts}"));
        steps
    };
    files.iter().enumerate().map(task).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tasks_that_look_alike_replay_in_any_interleaving(
        files in prop::collection::vec(1_usize..3, 1..4),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let tasks = tasks(&files);
        let recorded: Vec<&str> = tasks.iter().flatten().map(String::as_str).collect();
        let mut index = posts(&recorded);
        let mut left: Vec<_> = tasks.iter().map(|steps| steps.iter()).collect();
        for choice in choices {
            let busy: Vec<usize> = (0..left.len()).filter(|task| left[*task].len() > 0).collect();
            if busy.is_empty() {
                break;
            }
            let step = left[busy[choice.index(busy.len())]].next().unwrap();
            // `#3` of the recording is `=v3` in this run, which the index does not know.
            let given = ask(&mut index, &step.replace('#', "=v"));
            prop_assert!(given.is_some(), "{step} of {tasks:?}");
            if step.starts_with("COPY") {
                prop_assert_eq!(recorded[given.unwrap()], step.as_str());
            }
        }
        if left.iter().all(|steps| steps.len() == 0) {
            prop_assert!(index.unused().is_empty());
        }
    }
}
