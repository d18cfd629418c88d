"""The sentences a verdict is made of: message keys with parameters, and their English and Chinese.

Pure. The page renders the same keys through its own catalogue; the texts here serve CSV, scripts and print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

Param = str | int | float


class Message(Struct, frozen=True):
    """One sentence: `key` names it in a catalogue, `params` fill it in. Numbers are not formatted."""

    key: str
    params: Mapping[str, Param]


WORDS: Mapping[str, tuple[str, str]] = {
    "against.own_median": (
        "Against the median of your own last {rooms} rooms",
        "与您最近 {rooms} 场直播的中位数相比",
    ),
    "against.baseline": (
        "Against {baseline} (confidence {confidence}), by the room's {measure}",
        "与基准 {baseline} 相比(可信度 {confidence}),以本场 {measure} 计",
    ),
    "verdict.below": (
        "below the {target_low}–{target_high}× band at the centre: {r}× (95 % interval {low}–{high})",
        "按中心值低于 {target_low}–{target_high} 倍目标区间:{r} 倍(95% 区间 {low}–{high})",
    ),
    "verdict.in_band": (
        "in band at the centre: {r}× (95 % interval {low}–{high}) lies within {target_low}–{target_high}×",
        "按中心值处于目标区间:{r} 倍(95% 区间 {low}–{high})落在 {target_low}–{target_high} 倍之内",
    ),
    "verdict.above": (
        "above the {target_low}–{target_high}× band at the centre: {r}× (95 % interval {low}–{high})",
        "按中心值高于 {target_low}–{target_high} 倍目标区间:{r} 倍(95% 区间 {low}–{high})",
    ),
    "verdict.cannot_tell": (
        "cannot tell: {r}× (95 % interval {low}–{high}) is neither inside the {target_low}–{target_high}× band "
        "nor outside it",
        "无法判断:{r} 倍(95% 区间 {low}–{high})既不完全在 {target_low}–{target_high} 倍区间之内,也不完全在其外",
    ),
    "spread.settled": (
        "the baseline's own spread does not change that ({low}–{high}×)",
        "基准自身的离散范围不改变这一结论({low}–{high} 倍)",
    ),
    "spread.not_settled": (
        "not settled by the baseline's own spread ({low}–{high}×)",
        "考虑基准自身的离散范围后尚无定论({low}–{high} 倍)",
    ),
    "spread.unknown": (
        "the baseline states no range, so its own spread is unknown",
        "基准未给出范围,其自身离散程度未知",
    ),
    "reading.too_few_buyers": (
        "Too few buyers: {buyers} of the {needed} needed, so no ratio is printed",
        "买家太少:{buyers} 位,至少需要 {needed} 位,因此不给出比率",
    ),
    "reading.no_figure": ("The room has no such figure: {why}", "本场没有该指标:{why}"),
    "reading.no_comparator": (
        "Cannot tell: nothing with the same metric, denominator and currency to compare with",
        "无法判断:没有指标、分母和币种都一致的比较对象",
    ),
    "refused.metric": (
        "Not compared: the report has no metric “{metric}”",
        "未比较:报告中没有指标“{metric}”",
    ),
    "refused.denominator": (
        "Not compared: the baseline is per {denominator}, the room's “{metric}” is per {room}",
        "未比较:基准以“{denominator}”为分母,本场“{metric}”以“{room}”为分母",
    ),
    "refused.currency": (
        "Not compared: the baseline is in {baseline}, the report in {room}",
        "未比较:基准币种为 {baseline},报告币种为 {room}",
    ),
    "refused.no_figure": (
        "Not compared: the baseline states no figure to divide by",
        "未比较:基准没有可作除数的数值",
    ),
    "refused.room_figure": ("Not compared: the room has no such figure ({why})", "未比较:本场没有该指标({why})"),
    "refused.no_interval": (
        "Not compared: the room's figure has no interval",
        "未比较:本场该指标没有置信区间",
    ),
    "quoted.confidence": (
        "Quoted only, never compared (confidence {confidence}): {note}",
        "仅供引用,不作比较(可信度 {confidence}):{note}",
    ),
    "quoted.target": (
        "States the target band {target_low}–{target_high}×; it is not compared itself",
        "用于给出目标区间 {target_low}–{target_high} 倍,本身不参与比较",
    ),
    "history.too_few_rooms": (
        "No own median yet: {rooms} earlier rooms in this currency, {needed} needed",
        "尚无自有中位数:同币种的过往直播 {rooms} 场,至少需要 {needed} 场",
    ),
}


def english(messages: Iterable[Message]) -> str:
    """One English sentence."""
    return _joined((_filled(WORDS[one.key][0], one.params) for one in messages), "; ", ".")


def chinese(messages: Iterable[Message]) -> str:
    """One Chinese sentence."""
    return _joined((_filled(WORDS[one.key][1], one.params) for one in messages), ";", "。")


def _joined(parts: Iterable[str], between: str, end: str) -> str:
    text = between.join(parts)
    return text[:1].upper() + text[1:] + end if text else ""


def _filled(template: str, params: Mapping[str, Param]) -> str:
    return template.format(**{name: _shown(value) for name, value in params.items()})


def _shown(value: Param) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
