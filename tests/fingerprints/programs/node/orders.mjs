// Books orders.
import assert from "node:assert";
import { setTimeout as pause } from "node:timers/promises";

export class InvalidOrder extends Error {
  constructor(id, problems, options) {
    super(`order ${id}: ${problems.join(", ")} missing`, options);
    this.name = "InvalidOrder";
  }
}

export class Basket {
  #lines;

  constructor(lines) {
    this.#lines = lines;
  }

  total() {
    return this.#lines.map((line) => line.price.amount).reduce((sum, price) => sum + price, 0);
  }

  ship() {
    return this.#label({ order: null });
  }

  #label(parcel) {
    return parcel.order.address;
  }
}

export function validate(order) {
  const problems = ["email", "address", "lines"].filter((field) => !order[field]);
  if (problems.length) throw new InvalidOrder(order.id, problems);
}

export function checkBooks(debit, credit) {
  assert.strictEqual(debit, credit);
}

export function reserveSeats(count) {
  return new Array(count);
}

export function share(amount, people) {
  return BigInt(amount) / BigInt(people);
}

export function categoryPath(tree, name) {
  return [...categoryPath(tree, tree[name]), name];
}

export function discount(rules, depth) {
  return depth === 0 ? rules.final.rate : discount(rules.next, depth - 1);
}

export async function confirm(id) {
  await pause(0);
  await notify(id);
}

async function notify(id) {
  await pause(0);
  throw new ReferenceError(`nobody to notify of order ${id}`);
}

export async function confirmAny(ids) {
  return await Promise.any(ids.map((id) => notify(id)));
}

export async function pay(id, accounts, account) {
  try {
    return charge(accounts, account);
  } catch (error) {
    throw new InvalidOrder(id, ["payment"], { cause: error });
  }
}

function charge(accounts, account) {
  return accounts[account].balance;
}
