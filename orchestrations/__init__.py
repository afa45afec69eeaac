"""The story: durable generators that say what happens after what, and branch only on recorded values."""
