"""Hypothesis strategies and small builders for rows of a room's report. Knows nothing of how they are counted."""

from __future__ import annotations

from hypothesis import strategies as st

from commerce_overlay.baselines import Baselines, parse_baselines
from commerce_overlay.report import Report, ReportSettings, build_report
from commerce_overlay.report_rows import (
    Click,
    HubImpression,
    Impression,
    LiveInterval,
    LockedRate,
    Order,
    OrderLine,
    Refund,
    ReportRows,
    WatchSession,
    Window,
)

# A multiple of a minute, so that minutes in the tests are easy to reckon.
T0 = 1_700_000_040_000
MINUTE = 60_000
WINDOW = Window(T0, T0 + 60 * MINUTE)

VIEWERS = [f"v{at}" for at in range(6)]
PRODUCTS = ["p1", "p2", "p3"]
SELLERS = ["s1", "s2"]
CARDS = ["c1", "c2"]

EMPTY = Baselines("sha256:none", ())
HEADER = "id,metric,denominator,low,value,high,unit,region,channel,year,source,basis,confidence,note\n"


def baselines_of(*lines: str) -> Baselines:
    """Baselines from lines `id,metric,denominator,low,value,high,unit,confidence`."""
    text = HEADER
    for line in lines:
        id, metric, denominator, low, value, high, unit, confidence = line.split(",")
        text += f"{id},{metric},{denominator},{low},{value},{high},{unit},CN,all,2023,src,basis,{confidence},a note\n"
    return parse_baselines(text.encode())


def report_of(
    rows: ReportRows,
    *,
    baselines: Baselines = EMPTY,
    settings: ReportSettings | None = None,
    currency: str = "CNY",
    as_of_ms: int = T0 + 100 * MINUTE,
    window: Window = WINDOW,
    **more: object,
) -> Report:
    """The report of one hour, as of 100 minutes after its start."""
    return build_report(
        room="r1",
        window=window,
        currency=currency,
        rows=rows,
        baselines=baselines,
        settings=settings,
        as_of_ms=as_of_ms,
        seed=1,
        code_version="test",
        **more,  # type: ignore[arg-type]
    )


times = st.integers(T0 - 30 * MINUTE, T0 + 90 * MINUTE)


@st.composite
def stretches(draw: st.DrawFn) -> tuple[int, int]:
    start = draw(times)
    return start, start + draw(st.sampled_from([0, 1, 2_999, 3_000, 9_999, 10_000, 200_000, 3_000_000]))


@st.composite
def sessions(draw: st.DrawFn, traffic: st.SearchStrategy[str] | None = None) -> WatchSession:
    start, end = draw(stretches())
    return WatchSession(
        draw(st.sampled_from(VIEWERS)),
        start,
        end,
        draw(st.sampled_from(["live", "replay"])),
        "viewer" if traffic is None else draw(traffic),  # type: ignore[arg-type]
    )


@st.composite
def clicks(draw: st.DrawFn, at: int) -> Click:
    return Click(
        f"k{at:03d}",
        draw(st.sampled_from(VIEWERS)),
        draw(st.sampled_from(PRODUCTS)),
        draw(st.sampled_from(SELLERS)),
        draw(times),
        draw(st.sampled_from([None, *CARDS])),
        draw(st.sampled_from(["live", "replay"])),
    )


@st.composite
def orders(draw: st.DrawFn, at: int) -> Order:
    products = draw(st.lists(st.sampled_from(PRODUCTS), min_size=1, max_size=3, unique=True))
    lines = tuple(OrderLine(product, draw(st.integers(1, 4)), draw(st.integers(0, 999))) for product in products)
    placed = draw(times)
    fate = draw(st.sampled_from(["open", "paid", "cancelled"]))
    foreign = draw(st.booleans())
    return Order(
        order=f"o{at:03d}",
        viewer=draw(st.sampled_from([None, *VIEWERS])),
        seller=draw(st.sampled_from(SELLERS)),
        click=draw(st.sampled_from([None, "k000", "k001", "k002", "elsewhere"])),
        currency="USD" if foreign else "CNY",
        lines=lines,
        placed_ms=placed,
        paid_ms=placed + draw(st.integers(0, 40 * MINUTE)) if fate == "paid" else None,
        cancelled_ms=placed + 5 * MINUTE if fate == "cancelled" else None,
        rate=LockedRate("CNY", 719, 100) if foreign else None,
    )


@st.composite
def rooms(draw: st.DrawFn, traffic: st.SearchStrategy[str] | None = None) -> ReportRows:
    """A small room in which everything that can happen does: late refunds, foreign orders, orders out of time."""
    sold = [draw(orders(at)) for at in range(draw(st.integers(0, 8)))]
    refunds: list[Refund] = []
    for order in sold:
        left = order.value_minor
        while order.paid_ms is not None and left > 0 and draw(st.booleans()):
            minor = draw(st.integers(1, left))
            left -= minor
            kind = draw(st.sampled_from(["refund", "cancellation"]))
            at_ms = order.paid_ms + draw(st.integers(0, 60 * MINUTE))
            refunds.append(Refund(f"r{len(refunds):03d}", order.order, minor, at_ms, kind))  # type: ignore[arg-type]
    return ReportRows(
        live=[LiveInterval(*draw(stretches())) for _ in range(draw(st.integers(0, 3)))],
        sessions=draw(st.lists(sessions(traffic), max_size=10)),
        impressions=[
            Impression(
                draw(st.sampled_from(VIEWERS)),
                draw(st.sampled_from(CARDS)),
                draw(st.sampled_from(["sh1", "sh2"])),
                draw(st.sampled_from(PRODUCTS)),
                draw(times),
            )
            for _ in range(draw(st.integers(0, 10)))
        ],
        hub_impressions=[
            HubImpression(draw(st.sampled_from(VIEWERS)), draw(times)) for _ in range(draw(st.integers(0, 4)))
        ],
        clicks=[draw(clicks(at)) for at in range(draw(st.integers(0, 8)))],
        orders=sold,
        refunds=refunds,
    )
