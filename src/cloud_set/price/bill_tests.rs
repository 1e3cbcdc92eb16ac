//! Bills against what a person works out on paper, and against a naive second way.

use proptest::prelude::*;

use super::*;

const GB: u64 = 1_000_000_000;
const TB: u64 = 1_000 * GB;
const MB: u64 = 1_000_000;

fn prices() -> Prices {
    Prices::shipped(None).unwrap()
}

fn kept(count: u64, len: u64) -> Usage {
    Usage {
        kept: vec![Blobs { count, len }],
        ..Usage::default()
    }
}

/// `usage` at `id`, as `fee cents` lines and the total.
fn worked(id: &str, usage: &Usage) -> (Vec<(Fee, u128)>, u128) {
    let prices = prices();
    let bill = bill(&prices, prices.tariff(id).unwrap(), usage);
    assert_eq!(bill.missing.len(), 0, "{id}: {:?}", bill.missing);
    let fees = bill.fees.iter().map(|(fee, amount)| (*fee, amount.cents())).collect();
    (fees, bill.total().cents())
}

/// Ten months worked out by hand from the figures of 2026-11-22, the sums beside them.
#[test]
#[expect(clippy::too_many_lines, reason = "a table with the working of each row")]
fn ten_bills_are_what_the_hand_worked_out() {
    // 1. Amazon S3 Standard: 60 TB in 10 MB blobs, 12.1 TB read, 1.2 M put, 2 M get.
    //    Storage 50,000 GB x 0.023 = 1150.00, then 10,000 x 0.022 = 220.00: 1370.00.
    //    Egress 12,100 GB less the pool of 100 = 12,000: 10,000 x 0.09 = 900.00, 2,000 x 0.085 = 170.00: 1070.00.
    //    Put 1,200 x 0.005 = 6.00. Get 2,000 x 0.0004 = 0.80.  2446.80
    let aws = Usage {
        read: 12_100 * GB,
        puts: 1_200_000,
        gets: 2_000_000,
        ..kept(6_000_000, 10 * MB)
    };
    let fees = vec![
        (Fee::Storage, 137_000),
        (Fee::Egress, 107_000),
        (Fee::Puts, 600),
        (Fee::Gets, 80),
    ];
    assert_eq!(worked("aws-s3-standard", &aws), (fees, 244_680));

    // 2. S3 Infrequent Access: 1,000,000 blobs of 64 KiB are billed as 128 KiB, 131.072 GB.
    //    Bytes 65.536 GB x 0.0125 = 0.8192; the rest to 131.072 x 0.0125 = 1.6384: 0.8192 more.
    //    50,000 of them deleted after 10 of 30 days: 50,000 x 131,072 B = 6.5536 GB x 0.0125 x 20/30 = 0.0546133.
    //    Read 30 GB: egress in the pool, retrieval 30 x 0.01 = 0.30.  0.8192 + 0.8192 + 0.0546 + 0.30 = 1.9930
    let infrequent = Usage {
        deleted: vec![(
            Blobs {
                count: 50_000,
                len: 65_536,
            },
            10,
        )],
        read: 30 * GB,
        ..kept(1_000_000, 65_536)
    };
    let fees = vec![
        (Fee::Storage, 82),
        (Fee::SmallBlobs, 82),
        (Fee::EarlyDeletion, 5),
        (Fee::Retrieval, 30),
    ];
    assert_eq!(worked("aws-s3-standard-ia", &infrequent), (fees, 199));

    // 3. Google Standard: 1 TiB at 0.02 a GiB = 20.48. 150 GB read less 100 of the pool = 50 x 0.12 = 6.00.
    //    10 listings are writing calls: 10 x 0.005 / 1000 = 0.00005.  26.48
    let google = Usage {
        read: 150 * GB,
        lists: 10,
        ..kept(1_048_576, 1 << 20)
    };
    let fees = vec![(Fee::Storage, 2_048), (Fee::Egress, 600), (Fee::Lists, 0)];
    assert_eq!(worked("gcs-standard", &google), (fees, 2_648));

    // 4. Backblaze B2: 2 TB less the free 10 GB = 1,990 GB x 0.00695 = 13.8305.
    //    Read 6.5 TB, three times 2 TB free: 500 GB x 0.01 = 5.00. Calls are free.  18.8305
    let backblaze = Usage {
        read: 6_500 * GB,
        puts: 9_000_000,
        ..kept(200, 10 * GB)
    };
    let fees = vec![(Fee::Storage, 1_383), (Fee::Egress, 500)];
    assert_eq!(worked("backblaze-b2", &backblaze), (fees, 1_883));

    // 5. Cloudflare R2: 100.5 GB less 10 free = 90.5, whole GB: 91 x 0.015 = 1.365.
    //    1,900,000 put and 200,000 listings, 1 M free: puts use it, 900,000 puts = 1 million begun, 4.50;
    //    900,000 + 200,000 = 1.1 M calls = 2 millions begun, 9.00: the listings add 4.50.
    //    10,000,001 get less 10 M free = 1 call, a million begun: 0.36.  1.365 + 4.50 + 4.50 + 0.36 = 10.725
    let r2 = Usage {
        read: 50 * TB,
        puts: 1_900_000,
        lists: 200_000,
        gets: 10_000_001,
        ..kept(1_005, 100 * MB)
    };
    let fees = vec![
        (Fee::Storage, 137),
        (Fee::Puts, 450),
        (Fee::Gets, 36),
        (Fee::Lists, 450),
    ];
    assert_eq!(worked("cloudflare-r2", &r2), (fees, 1_073));

    // 6. Wasabi: 500 GB x 0.00799 = 3.995; 100 GB deleted after 60 of 90 days: 100 x 0.00799 x 30/30 = 0.799.
    //    4.794, and the least bill is 7.99: 3.196 more.  7.99
    let wasabi = Usage {
        deleted: vec![(
            Blobs {
                count: 10,
                len: 10 * GB,
            },
            60,
        )],
        ..kept(50, 10 * GB)
    };
    let fees = vec![(Fee::Storage, 400), (Fee::EarlyDeletion, 80), (Fee::Minimum, 320)];
    assert_eq!(worked("wasabi", &wasabi), (fees, 799));

    // 7. Storj: 1,000,000 blobs of 20 kB are billed as 50 kB: 20 GB x 0.007 = 0.14, and 30 GB x 0.007 = 0.21 more.
    //    Read 1 TB x 0.007 = 7.00. 7.35 of the least 50.00: 42.65 more.  50.00
    let storj = Usage {
        read: TB,
        ..kept(1_000_000, 20_000)
    };
    let fees = vec![
        (Fee::Storage, 14),
        (Fee::SmallBlobs, 21),
        (Fee::Egress, 700),
        (Fee::Minimum, 4_265),
    ];
    assert_eq!(worked("storj-standard", &storj), (fees, 5_000));

    // 8. DigitalOcean: 400 GB, 250 of them in the base price of 5.00: 150 x 0.02 = 3.00.
    //    Read 1.2 TB, 1 TB of it in the base price: 200 x 0.01 = 2.00.  10.00
    let digitalocean = Usage {
        read: 1_200 * GB,
        puts: 1_000,
        gets: 1_000,
        ..kept(40, 10 * GB)
    };
    let fees = vec![(Fee::Storage, 300), (Fee::Egress, 200), (Fee::Base, 500)];
    assert_eq!(worked("digitalocean-spaces", &digitalocean), (fees, 1_000));

    // 9. Scaleway: 1 TB x 0.012 = 12.00; 100 GB read less 75 = 25 x 0.01 = 0.25; 1,000 put x 0.0044 = 0.0044 each thousand;
    //    2,000 get 0.0088.  12.2632
    let scaleway = Usage {
        read: 100 * GB,
        puts: 1_000,
        gets: 2_000,
        ..kept(100, 10 * GB)
    };
    let fees = vec![(Fee::Storage, 1_200), (Fee::Egress, 25), (Fee::Puts, 0), (Fee::Gets, 1)];
    assert_eq!(worked("scaleway-multi-az", &scaleway), (fees, 1_226));

    // 10. Oracle: 50 GB less 20 free = 30 x 0.0255 = 0.765; 10.5 TB read less 10 TB = 500 x 0.0085 = 4.25;
    //     1 M put x 0.0004 a thousand = 0.40; 1 M get x 0.0003 = 0.30.  5.715
    let oracle = Usage {
        read: 10_500 * GB,
        puts: MB,
        gets: MB,
        ..kept(5, 10 * GB)
    };
    let fees = vec![(Fee::Storage, 77), (Fee::Egress, 425), (Fee::Puts, 40), (Fee::Gets, 30)];
    assert_eq!(worked("oracle-standard", &oracle), (fees, 572));
}

#[test]
fn a_pool_is_spent_once_and_on_the_dearest_first() {
    let own = "version: 1\nproviders:\n  aws-s3-standard-ia:\n    egress: { value: 0.10/GB }\n";
    let prices = Prices::shipped(Some(("own.yaml", own))).unwrap();
    let (standard, infrequent) = (
        prices.tariff("aws-s3-standard").unwrap(),
        prices.tariff("aws-s3-standard-ia").unwrap(),
    );
    let usage = Usage {
        read: 80 * GB,
        ..Usage::default()
    };
    // 80 of the 100 GB go to the one at 0.10; 20 are left for the one at 0.09, which pays 60 x 0.09.
    let both = bills(&prices, &[(standard, &usage), (infrequent, &usage)]);
    let egress = |bill: &Bill| bill.fees.get(&Fee::Egress).copied().unwrap_or_default().cents();
    assert_eq!((egress(&both[0]), egress(&both[1])), (540, 0));
}

#[test]
fn a_minimum_that_two_share_is_asked_once() {
    let prices = prices();
    let (standard, advanced) = (
        prices.tariff("storj-standard").unwrap(),
        prices.tariff("storj-advanced").unwrap(),
    );
    // 7.00 and 10.00 of the least 50.00.
    let usage = kept(100, 10 * GB);
    let both = bills(&prices, &[(advanced, &usage), (standard, &usage)]);
    assert_eq!((both[0].total().cents(), both[1].total().cents()), (4_300, 700));
}

#[test]
fn what_is_not_known_is_named_and_never_taken_for_nothing() {
    let prices = prices();
    let named = |id: &str, usage: &Usage| {
        let bill = bill(&prices, prices.tariff(id).unwrap(), usage);
        bill.missing.into_iter().collect::<Vec<_>>().join(" ")
    };
    let stored = kept(10, GB);
    let writing = Usage {
        puts: 1,
        ..stored.clone()
    };
    let reading = Usage {
        read: 1,
        ..stored.clone()
    };
    // What isn't used needs no price.
    assert_eq!(named("hetzner-eu", &stored), "");
    assert_eq!(named("hetzner-eu", &writing), "put");
    assert_eq!(named("akamai-linode", &reading), "egress_free");
    assert_eq!(named("ibm-cos-one-rate", &stored), "");
    assert_eq!(named("ibm-cos-one-rate", &reading), "egress_free");
    assert_eq!(named("bunny-storage", &reading), "egress_free monthly");
    assert_eq!(named("impossible-cloud", &stored), "monthly");
}

#[test]
fn reading_more_than_a_policy_allows_is_told() {
    let prices = prices();
    let usage = Usage {
        read: 2_500 * GB,
        ..kept(2, TB)
    };
    let bill = bill(&prices, prices.tariff("wasabi").unwrap(), &usage);
    assert_eq!((bill.beyond_policy, bill.total().cents()), (500 * GB, 1_598));
}

/// The same bill in the plainest way, in floating point, for one service alone.
fn naive(tariff: &Tariff, usage: &Usage, pool: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the plain truth is compared within a cent")]
    let f = |n: u64| n as f64;
    let least = f(tariff.min_object.value.unwrap().bytes());
    let (mut bytes, mut sum) = (0.0, 0.0);
    for blobs in &usage.kept {
        bytes += f(blobs.count) * f(blobs.len).max(least);
    }
    let free = tariff.free.as_ref().and_then(|free| free.value);
    let (base, base_stored, base_read) = match &tariff.monthly.value {
        Some(Monthly::Base { amount, stored, read }) => {
            (amount.amount(), f(stored.unwrap().bytes()), f(read.unwrap().bytes()))
        }
        _ => (0.0, 0.0, 0.0),
    };
    bytes = (bytes - base_stored - free.map_or(0.0, |free| f(free.stored.bytes()))).max(0.0);
    let mut from = 0.0;
    let mut tiers: Vec<(f64, f64)> = tariff
        .storage_tiers
        .iter()
        .map(|tier| {
            (
                tier.to.map_or(f64::INFINITY, |to| f(to.bytes())),
                tier.price.per_byte_month(),
            )
        })
        .collect();
    if tiers.is_empty() {
        tiers.push((f64::INFINITY, tariff.storage.value.unwrap().per_byte_month()));
    }
    for (to, price) in tiers {
        sum += (bytes.min(to) - from).max(0.0) * price;
        from = to;
    }
    for (blobs, age) in &usage.deleted {
        let left = (f64::from(tariff.min_days.value.unwrap()) - f64::from(*age)).max(0.0);
        sum += f(blobs.count) * f(blobs.len).max(least) * left / 30.0 * tariff.storage.value.unwrap().per_byte_month();
    }
    let allowed = match tariff.egress_free.value.as_ref().unwrap() {
        Allowance::Nothing => 0.0,
        Allowance::Pool(_) => pool,
        Allowance::Unlimited => f64::INFINITY,
        Allowance::Fixed(size) => f(size.bytes()),
        Allowance::Multiple { of_stored, .. } => f64::from(*of_stored) * f(usage.stored()),
        Allowance::Base => base_read,
        Allowance::Plan => unreachable!("not drawn"),
    };
    let read = (f(usage.read) - allowed).max(0.0);
    let mut tiers: Vec<(f64, f64)> = tariff
        .egress_tiers
        .iter()
        .map(|tier| (tier.to.map_or(f64::INFINITY, |to| f(to.bytes())), tier.price.per_byte()))
        .collect();
    if tiers.is_empty() {
        tiers.push((f64::INFINITY, tariff.egress.value.unwrap().per_byte()));
    }
    from = 0.0;
    for (to, price) in tiers {
        sum += (read.min(to) - from).max(0.0) * price;
        from = to;
    }
    sum += f(usage.read) * tariff.retrieval.value.unwrap().per_byte();
    sum += f(usage.puts + usage.lists) * tariff.put.value.unwrap().per_request();
    sum += f(usage.gets) * tariff.get.value.unwrap().per_request() + base;
    match &tariff.monthly.value {
        Some(Monthly::Minimum { amount, .. }) => sum.max(amount.amount()),
        _ => sum,
    }
}

proptest! {
    #[test]
    fn a_bill_is_that_of_the_plain_definition(
        service in 0..16usize,
        blobs in proptest::collection::vec((0..1_000_000u64, 0..2_000_000u64), 0..4),
        deleted in proptest::collection::vec((0..10_000u64, 0..2_000_000u64, 0..120u16), 0..3),
        read in 0..200_000_000_000_000u64,
        puts in 0..50_000_000u64,
        gets in 0..50_000_000u64,
        lists in 0..1_000_000u64,
    ) {
        let prices = prices();
        // Those whose figures are all known and whose units aren't rounded up.
        let whole = |tariff: &&Tariff| {
            let marks = tariff.priced();
            !tariff.storage.whole_units
                && marks.iter().all(|mark| mark.value.is_some())
                && !matches!(tariff.monthly.value, Some(Monthly::Prepaid))
                && !matches!(tariff.egress_free.value, Some(Allowance::Plan))
                && tariff.operator != "akamai"
        };
        let tariffs: Vec<&Tariff> = prices.tariffs().filter(whole).collect();
        let tariff = tariffs[service % tariffs.len()];
        let usage = Usage {
            kept: blobs.into_iter().map(|(count, len)| Blobs { count, len }).collect(),
            deleted: deleted.into_iter().map(|(count, len, age)| (Blobs { count, len }, age)).collect(),
            read, puts, gets, lists,
        };
        let bill = bill(&prices, tariff, &usage);
        prop_assert!(bill.missing.is_empty(), "{}: {:?}", tariff.id, bill.missing);
        let plain = naive(tariff, &usage, 1e11);
        let exact = bill.total().amount();
        prop_assert!((plain - exact).abs() < 1e-6 * plain.max(1.0), "{}: {exact}, plainly {plain}", tariff.id);
    }

    #[test]
    fn more_use_never_costs_less(service in 0..25usize, len in 0..1_000_000u64, count in 0..1_000_000u64, read in 0..TB) {
        let prices = prices();
        let tariff = prices.tariffs().nth(service).unwrap();
        let of = |usage: &Usage| bill(&prices, tariff, usage).total();
        let usage = Usage { read, puts: count, ..kept(count, len) };
        let reading = Usage { read: read + GB, ..usage.clone() };
        let writing = Usage { puts: count + 1, ..usage.clone() };
        prop_assert!(of(&usage) <= of(&reading));
        prop_assert!(of(&usage) <= of(&writing));
    }
}
