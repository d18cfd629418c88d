// What a role may do in the studio. The server decides; this only spares people buttons that would be refused. Pure.

import type { Role } from "../../api/types.js";

export type Ability = "manage" | "cards" | "moderate";

const ABILITIES: Readonly<Record<Role, readonly Ability[]>> = {
  operator: ["manage", "cards", "moderate"],
  brand: ["manage", "cards", "moderate"],
  influencer: ["cards", "moderate"],
  moderator: ["moderate"],
  viewer: [],
};

export function may(role: Role, ability: Ability): boolean {
  return ABILITIES[role].includes(ability);
}
