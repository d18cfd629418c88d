// Texts of the sign-in page.
import { catalogue } from "../../i18n/catalogue.js";

export const t = catalogue(
  {
    title: "Sign in to the studio",
    lead: "Broadcast, show products and read what each room earned.",
    email: "Email",
    password: "Password",
    show: "Show password",
    hide: "Hide password",
    submit: "Sign in",
    "need.email": "Enter your email address.",
    "need.password": "Enter your password.",
    "demo.title": "Demo brand on this machine",
    "demo.text": "This server was started with demo content. Fill in its account and look around.",
    "demo.fill": "Fill in the demo account",
    already: (p: { name: string }) => `You are signed in as ${p.name}.`,
    continue: "Continue to the studio",
    wait: (p: { seconds: string }) => `Too many tries. Wait ${p.seconds} seconds.`,
  },
  {
    title: "登录工作台",
    lead: "开播、展示商品，并查看每场直播的成交。",
    email: "邮箱",
    password: "密码",
    show: "显示密码",
    hide: "隐藏密码",
    submit: "登录",
    "need.email": "请输入邮箱地址。",
    "need.password": "请输入密码。",
    "demo.title": "本机演示品牌",
    "demo.text": "此服务器带有演示内容，可填入演示账号先体验。",
    "demo.fill": "填入演示账号",
    already: (p) => `您已登录为 ${p.name}。`,
    continue: "进入工作台",
    wait: (p) => `尝试次数过多，请等待 ${p.seconds} 秒。`,
  },
);
