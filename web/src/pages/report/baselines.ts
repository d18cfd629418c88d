// Names for the baselines that are shipped; the file is an operator's to edit, so a row without a name keeps its id.
import { catalogue } from "../../i18n/catalogue.js";

const names = catalogue(
  {
    alipay_room_value_target: "Alipay's aim for its live rooms",
    cn_gmv_per_view: "Live commerce in China, GMV per view",
    cn_gmv_per_session: "Live commerce in China, GMV per session",
    cn_apparel_gpm_growth: "Douyin apparel rooms, growing",
    cn_apparel_gpm_stable: "Douyin apparel rooms, established",
    us_tiktokshop_aov: "TikTok Shop US, order value",
    shopify_cvr: "Ordinary online shops, conversion",
    cn_return_rate: "Live commerce in China, returns",
    mckinsey_live_conversion: "“30 % conversion” (McKinsey)",
    lipstick_2016: "One celebrity event, 2016",
    alipay_miniprogram_active_growth: "Alipay mini-programs, growth in use",
    alipay_miniprogram_gmv_growth: "Alipay mini-programs, growth in GMV",
    wechat_miniprogram_growth: "WeChat mini-programs, growth",
    wechat_miniprogram_volume: "WeChat mini-programs, volume",
    whatnot_gmv_per_live_hour: "Whatnot, GMV per live hour",
  },
  {
    alipay_room_value_target: "支付宝对其直播间的目标",
    cn_gmv_per_view: "中国直播电商，每次观看 GMV",
    cn_gmv_per_session: "中国直播电商，每场 GMV",
    cn_apparel_gpm_growth: "抖音服饰直播间（成长期）",
    cn_apparel_gpm_stable: "抖音服饰直播间（稳定期）",
    us_tiktokshop_aov: "TikTok Shop 美国，客单价",
    shopify_cvr: "普通网店，转化率",
    cn_return_rate: "中国直播电商，退货率",
    mckinsey_live_conversion: "“转化率 30%”（麦肯锡）",
    lipstick_2016: "2016 年一场明星直播",
    alipay_miniprogram_active_growth: "支付宝小程序，活跃增长",
    alipay_miniprogram_gmv_growth: "支付宝小程序，GMV 增长",
    wechat_miniprogram_growth: "微信小程序，增长",
    wechat_miniprogram_volume: "微信小程序，规模",
    whatnot_gmv_per_live_hour: "Whatnot，每直播小时 GMV",
  },
);

type Id = Parameters<typeof names>[0];
const IDS = [
  "alipay_room_value_target", "cn_gmv_per_view", "cn_gmv_per_session", "cn_apparel_gpm_growth", "cn_apparel_gpm_stable",
  "us_tiktokshop_aov", "shopify_cvr", "cn_return_rate", "mckinsey_live_conversion", "lipstick_2016",
  "alipay_miniprogram_active_growth", "alipay_miniprogram_gmv_growth", "wechat_miniprogram_growth",
  "wechat_miniprogram_volume", "whatnot_gmv_per_live_hour",
] as const satisfies readonly Id[];

export function baselineText(id: string): string {
  const known = IDS.find((one) => one === id);
  return known === undefined ? id : names(known);
}
