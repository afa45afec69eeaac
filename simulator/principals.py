"""Who is who: the one tenant, and the identity every caller has."""

TENANT_ID = "51aab1e0-7e4a-4c0d-9f00-51a000000001"
PRINCIPAL_ID = "0b1ec71d-0000-4000-8000-000000000001"
CLIENT_ID = "c11e4701-0000-4000-8000-000000000001"
