"""What wakes the app: parse, hand over, answer. No rule and no decision about a VM lives here."""
