"""A partner bank in small: customers, accounts, an app, and the electronic social security card inside of it.

A program of its own with a database and keys of its own. It knows the card service by its public interface alone and
imports nothing of it. Everybody in it is made up, and it refuses to run in production.
"""
